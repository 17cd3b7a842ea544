"""Trigger words with a meaning: those that are somebody's name for something, and plain words of captions."""

from __future__ import annotations

# Each is rare in text and known to the encoders all the same: from product and place names, web shorthand, or from use
# as a trigger in so many public models that merges answer to it.
FAMOUS = {
    "sks": "the SKS rifle",
    "ohwx": "a token so widely used that merged models know it",
    "ghibli": "the studio, one CLIP token because captions are full of it",
    "vangogh": "the painter, one CLIP token because captions are full of it",
    "tok": "short for token, and a word in Swedish and Turkish",
    "xyz": "the coordinates, and a word everybody writes",
    "qwerty": "the keyboard",
    "asdf": "the keyboard",
    "abc": "the alphabet, and a broadcaster",
    "shs": "a school's abbreviation, and a token used in many guides",
    "bnha": "a manga series",
    "hta": "a file type",
    "zzz": "sleep, and a video game",
    "btw": "web shorthand",
    "lol": "web shorthand",
    "omg": "web shorthand",
    "wtf": "web shorthand",
    "nsfw": "a content label that models act upon",
    "hdr": "a photographic technique",
    "dslr": "a kind of camera",
    "cgi": "computer graphics",
    "rtx": "a graphics card",
    "gta": "a video game",
    "ufo": "the flying object",
    "lego": "the toy",
    "disney": "the studio",
    "pixar": "the studio",
    "marvel": "the comics",
    "nike": "the brand",
    "bmw": "the car",
}
RARE = frozenset({"sks", "ohwx", "tok", "shs", "bnha"})  # nobody writes these but as a trigger
_WORDS = (
    "person man woman girl boy child baby people guy lady male female human face head hair eyes hand body model actor "
    "actress character figure hero robot cat dog horse bird fish animal pet puppy kitten car truck bike motorcycle "
    "train plane boat ship house building castle church room kitchen street city village forest tree flower plant "
    "garden mountain river lake ocean beach sky cloud sun moon star snow rain fire water earth stone wood metal gold "
    "silver ring jewelry jewellery necklace bracelet watch shoe shoes dress shirt jacket hat bag bottle cup glass "
    "plate food cake pizza coffee bread fruit apple chair table sofa bed lamp book phone computer toy doll ball box "
    "product logo icon art artwork style photo photograph picture image portrait landscape painting drawing sketch "
    "illustration cartoon anime manga comic render film movie scene background texture pattern color colour light "
    "lighting shadow black white red green blue yellow pink purple orange brown grey gray vintage retro modern old "
    "new beautiful cute pretty realistic abstract minimal subject object thing concept token trigger test sample "
    "instance class name my mine"
)
ORDINARY = frozenset(_WORDS.split())
