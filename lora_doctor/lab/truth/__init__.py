"""What a picture of the world shows, told without a human judge; each measure validated on renders of its own."""
