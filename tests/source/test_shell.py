"""Shell scripts: what a command gets is what bash would give it, and every place lies inside the file."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lora_doctor.source.document import Document, SourceError
from lora_doctor.source.shell import parse_shell

bash = pytest.mark.skipif(shutil.which("bash") is None, reason="compares with bash")


def commands(text: str, name: str = "train.sh") -> list[list[str]]:
    """The words of every command; `?` marks a word whose value can't be read in the script."""
    document = parse_shell(name, text.encode())
    return [[("" if word.known else "?") + word.text for word in command.words] for command in document.commands]


def test_variables_arrays_and_defaults() -> None:
    text = """
export MODEL="black forest/FLUX" LR=1e-4
ARGS=(--rank 16 "--prompt=a b" # the trigger
  --seed 0)
ARGS+=(--offload)
EXTRA="--a 1"
EXTRA+=" --b"
accelerate launch x.py --m "$MODEL" --lr=$LR "${ARGS[@]}" $EXTRA --out ${OUT:-out/$LR} "$@"
"""
    assert commands(text) == [
        ["accelerate", "launch", "x.py", "--m", "black forest/FLUX", "--lr=1e-4", "--rank", "16", "--prompt=a b",
         "--seed", "0", "--offload", "--a", "1", "--b", "--out", "out/1e-4"]
    ]  # fmt: skip


def test_a_word_of_an_array_is_where_it_was_written() -> None:
    text = b'ARGS=(--rank 16\n  --seed 7)\npython x.py "${ARGS[@]}"\n'
    document = parse_shell("train.sh", text)
    (command,) = document.commands
    assert [document.position(word.span.start).line for word in command.words] == [3, 3, 1, 1, 2, 2]
    assert command.words[-1].literal


def test_unquoted_values_are_split_as_bash_does() -> None:
    assert commands('P="a photo"\npython x.py --prompt=$P --q "$P"') == [
        ["python", "x.py", "--prompt=a", "photo", "--q", "a photo"]
    ]
    assert commands('P="a photo"\npython x.py --q $P', "train.zsh") == [["python", "x.py", "--q", "a photo"]]


@pytest.mark.parametrize(
    "text",
    [
        'if [ "$FAST" = 1 ]; then LR=1e-3; else LR=1e-4; fi\npython x.py $LR',
        "for LR in 1e-3 1e-4; do\n  python x.py $LR\ndone",
        "LR=1e-4\nwhile read -r LR; do python x.py $LR; done < rates.txt",
        "LR=$(cat rate.txt)\npython x.py $LR",
        "run() { python x.py $1; }\nrun 1e-4",
        "python x.py $LR",
        "LR=1e-4\nunset LR\npython x.py $LR",
        'case "$1" in\n  big) LR=1e-5 ;;\n  *) LR=1e-4 ;;\nesac\npython x.py $LR',
    ],
)
def test_what_a_script_leaves_open_is_unknown(text: str) -> None:
    (words,) = [words for words in commands(text) if words[0] == "python"]
    assert words[-1].startswith("?")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("if true; then LR=1e-4; else LR=1e-4; fi\npython x.py $LR", "1e-4"),
        ("for LR in 1e-3; do python x.py $LR; done", "1e-3"),
        ('[ -z "$LR" ] && LR=2e-4\npython x.py $LR', "2e-4"),
        ("(LR=9)\nLR=1\npython x.py $LR", "1"),
        ("LR=5 echo hi\nLR=${LR:-7}\npython x.py $LR", "7"),
    ],
)
def test_what_all_branches_agree_on_is_known(text: str, value: str) -> None:
    (words,) = [words for words in commands(text) if words[0] == "python"]
    assert words[-1] == value


def test_a_broken_continuation_begins_another_command() -> None:
    assert commands("python x.py --a 1 \\\n  # --b 2 \\\n  --c 3") == [["python", "x.py", "--a", "1"], ["--c", "3"]]
    assert commands("python x.py --a 1\n  --c 3") == [["python", "x.py", "--a", "1"], ["--c", "3"]]
    assert commands("python x.py --a 1 \\\n\n  --c 3") == [["python", "x.py", "--a", "1"], ["--c", "3"]]
    assert commands("python x.py --a 1 \\ \n  --c 3") == [["python", "x.py", "--a", "1", " "], ["--c", "3"]]
    assert commands("python x.py --a 1 \\ --c 3") == [["python", "x.py", "--a", "1", " --c", "3"]]


def test_a_cut_off_option_is_no_assignment() -> None:
    text = "R=8\npython x.py\n  --rank=$R --b 2 \\\n  --c=3\n\n  --d=4 --e='f g'\n--h=1"
    assert commands(text) == [["python", "x.py"], ["--rank=8", "--b", "2", "--c=3"], ["--d=4", "--e=f g"], ["--h=1"]]


def test_pipes_redirections_and_windows_line_ends() -> None:
    text = "nohup python x.py --a 1 > log.txt 2>&1 &\r\npython y.py \\\r\n  --b 2 | tee log\r\n"
    assert commands(text) == [["nohup", "python", "x.py", "--a", "1"], ["python", "y.py", "--b", "2"], ["tee", "log"]]


def test_heredocs_are_no_commands() -> None:
    assert commands("cat > a.toml <<EOF\nrank = 4\npython x.py\nEOF\npython y.py") == [["cat"], ["python", "y.py"]]


def test_batch_files() -> None:
    text = (
        "@echo off\r\nrem --old\r\nset MODEL=C:\\models\\klein base\r\nset \"LR=1e-4\"\r\naccelerate launch ^\r\n"
        "  C:\\t\\x.py --m \"%MODEL%\" --lr=%LR% ^\r\n  --out C:\\out\\ ^\r\n  --q 'a b' > log\r\n"
        "if exist x (\r\n  set LR=2\r\n)\r\npython y.py %LR% %1\r\n"
    )
    assert commands(text, "train.bat") == [
        ["echo", "off"],
        ["accelerate", "launch", "C:\\t\\x.py", "--m", "C:\\models\\klein base", "--lr=1e-4", "--out", "C:\\out\\",
         "--q", "'a", "b'"],
        ["if", "exist", "x"],
        ["python", "y.py", "?%LR%", "?%1"],
    ]  # fmt: skip


def test_powershell() -> None:
    text = (
        '$model = "C:\\m\\klein"\n$lr=1e-4\n$more = @("--a", "1", # one\n  "--b")\n$more += "--c"\n'
        "& accelerate launch `\n  .\\x.py --m $model --lr=$lr --p \"a `\"q`\" $lr\" `\n  --k='it''s' @more $env:X\n"
        'if ($x) { $more += "--d" }\npython y.py @more; python z.py\n'
    )
    assert commands(text, "train.ps1")[0] == [
        "accelerate", "launch", ".\\x.py", "--m", "C:\\m\\klein", "--lr=1e-4", "--p", 'a "q" 1e-4', "--k=it's",
        "--a", "1", "--b", "--c", "?$env:X",
    ]  # fmt: skip
    assert commands(text, "train.ps1")[2:] == [["python", "y.py", "?@more"], ["python", "z.py"]]


def test_powershell_expressions_end_at_their_own_parenthesis() -> None:
    text = (
        '[void]$args.Add("--backend=$($backend.ToUpper())")\n'
        'python x.py --name "a$(Get-Date -Format "yy)")" (Join-Path $a (Split-Path $b)) --rank 8\n'
    )
    assert commands(text, "train.ps1")[1] == [
        "python", "x.py", "--name", '?a$(Get-Date -Format "yy)")', "?(Join-Path $a (Split-Path $b))", "--rank", "8",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["a.ps1", "a.bat"])
def test_a_blank_behind_the_mark_ends_the_command(name: str) -> None:
    mark = "`" if name == "a.ps1" else "^"
    assert commands(f"python x.py --a 1 {mark} \n  --b 2\n", name)[-1] == ["--b", "2"]


@pytest.mark.parametrize("name", ["a.sh", "a.ps1", "a.bat"])
def test_an_open_quote_is_refused(name: str) -> None:
    with pytest.raises(SourceError, match="quote"):
        parse_shell(name, b'python x.py --prompt "a photo\n')


@pytest.mark.parametrize(
    "text",
    [
        'A="aaaaaaaaaa"\n' + 'A="$A$A$A$A"\n' * 40 + "python x.py $A",
        "A=(1 2)\n" + 'A=("${A[@]}" "${A[@]}" "${A[@]}")\n' * 40 + 'python x.py "${A[@]}"',
        "if true; then " * 300 + "true" + "; fi" * 300,
        "python x.py ${A:-" * 300 + "1" + "}" * 300,
    ],
)
def test_scripts_that_would_blow_up_are_refused_or_unknown(text: str) -> None:
    try:
        words = [word for words in commands(text) for word in words]
    except SourceError:
        return
    assert sum(map(len, words)) < 2_000_000


_TOKENS = st.sampled_from(
    ["a", "--flag", " ", "\n", "\\\n", "\\\r\n", "\\ \n", "`\n", "^\n", "'", '"', "$", "${", "}", "(", ")", "[@]", "A=",
     "$A", "${A[@]}", "#", " # c", "x.py", "if ", "then ", "fi\n", "else ", "for i in ", "do ", "done\n", "<<EOF\n",
     "EOF\n", "|", "&", "&&", ";", "%A%", "!A!", "set A=", "@(", "@A", "é", "\u3000", "{", "\t", "+=", "case ", "esac",
     "in ", "f() {", "$(", "`", "\\", "$'\\x", '@"\n', '\n"@', "<#", "#>", ":-", "--k=", "rem ", "::", "!", "^"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(_TOKENS, max_size=25).map("".join), st.sampled_from(["a.sh", "a.ps1", "a.bat", "a.env", "a.zsh"]))
def test_any_text_is_read_or_refused(text: str, name: str) -> None:
    data = text.encode()
    try:
        document = parse_shell(name, data)
    except SourceError:
        return
    _inside(document, len(data))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80).filter(lambda data: b"\0" not in data), st.sampled_from(["a.sh", "a.ps1", "a.bat"]))
def test_any_bytes_are_read_or_refused(data: bytes, name: str) -> None:
    try:
        document = parse_shell(name, data)
    except SourceError:
        return
    _inside(document, len(data))


def _inside(document: Document, length: int) -> None:
    spans = [entry.span for entry in document.entries.values()] + [comment.span for comment in document.comments]
    for command in document.commands:
        spans += [command.span, *(word.span for word in command.words)]
    assert all(0 <= start <= end <= length for start, end in spans)


STUB = 'accelerate() { for a in "$@"; do printf "%s\\1" "$a"; done; printf "\\2"; }\n'
_PLAIN = st.text("abcxyz019._-/=,:+@% é", max_size=6)
_BARE = st.text("abcxyz019._/=,:+@%é", min_size=1, max_size=6)
_NAME = st.sampled_from(["A", "B", "C"])
_DEFAULT = st.one_of(_BARE, _PLAIN.map(lambda text: f'"{text}"'), st.just(""))
_QUOTED = st.lists(
    st.one_of(_PLAIN, _NAME.map("${}".format), st.sampled_from(['\\"', "\\$", "\\\\", "\\\n ", "'"])), max_size=4
).map(lambda parts: '"' + "".join(parts).replace("${}", "$A") + '"')
_WORD = st.recursive(
    st.one_of(
        _BARE,
        _PLAIN.map(lambda text: f"'{text}'"),
        _QUOTED,
        _NAME.map(lambda name: f"${name}"),
        _NAME.map(lambda name: f"${{{name}}}"),
        st.tuples(_NAME, _DEFAULT).map(lambda pair: f"${{{pair[0]}:-{pair[1]}}}"),
        st.sampled_from(['"${L[@]}"', "\\'", "$'a\\tb'", '""', "''"]),
    ),
    lambda word: st.lists(word, min_size=2, max_size=3).map("".join),
    max_leaves=3,
)
_FLAG = st.one_of(
    st.just("--dd"), _WORD, _WORD.map(lambda word: f"--aa {word}"), _WORD.map(lambda word: f"--cc={word}")
)
_GAPS = st.sampled_from([" ", " \\\n", "\t", " \\\n   "])
_COMMAND = st.lists(st.tuples(_GAPS, _FLAG).map("".join), max_size=4).map(lambda ws: "accelerate launch" + "".join(ws))
_ASSIGN = st.one_of(
    st.tuples(_NAME, st.sampled_from(["=", "+="]), _WORD).map("".join),
    st.tuples(st.sampled_from(["L=", "L+="]), st.lists(_WORD, max_size=3)).map(lambda p: f"{p[0]}({' '.join(p[1])})"),
)
_SCRIPT = st.lists(st.one_of(_ASSIGN, _COMMAND, st.just("# --old 1 \\")), min_size=1, max_size=6).map(
    lambda lines: "A=\nB=\nC=\nL=()\n" + "\n".join(lines) + "\n"
)


@bash
@settings(max_examples=120, deadline=None)
@given(_SCRIPT)
def test_words_are_those_bash_makes(script: str) -> None:
    run = subprocess.run(["bash", "-c", STUB + script], capture_output=True, timeout=10, check=False)
    if run.returncode or run.stderr:
        return
    expected = [call.split("\1")[:-1] for call in run.stdout.decode().split("\2")[:-1]]
    document = parse_shell("train.sh", script.encode())
    assume(all(word.known for command in document.commands for word in command.words))  # `"$Ax"` is no `$A`
    assert [[w.text for w in c.words[1:]] for c in document.commands] == expected


@bash
@settings(max_examples=60, deadline=None)
@given(st.lists(_WORD, min_size=1, max_size=4))
def test_the_text_at_a_literal_word_is_the_word(words: list[str]) -> None:
    document = parse_shell("train.sh", ("python " + " ".join(words)).encode())
    literal = [word for command in document.commands for word in command.words if word.literal]
    written = b" ".join(document.text[word.span.start : word.span.end] for word in literal)
    run = subprocess.run(["bash", "-c", b"printf '%s\\1' " + written], capture_output=True, timeout=10, check=True)
    assert run.stdout.decode().split("\1")[:-1] == [word.text for word in literal]
