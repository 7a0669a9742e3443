#!/usr/bin/env python3
"""Writes shell completions for our programs, from what their --help says.

    scripts/completions.py OUT PROGRAM...      OUT/bash/NAME, OUT/zsh/_NAME, OUT/fish/NAME.fish

Nothing here knows a command by name, so a new command is completed without anybody thinking of it.
"""

import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

COLUMN = 30  # where CLI11 begins descriptions
MAX_DEPTH = 4


@dataclass
class Option:
    names: list[str]
    text: str
    value: bool = False
    files: bool = False
    choices: list[str] = field(default_factory=list)


@dataclass
class Command:
    path: list[str]
    text: str = ""
    options: list[Option] = field(default_factory=list)
    files: bool = False  # a positional argument that names a file
    subcommands: list["Command"] = field(default_factory=list)

    def all(self):
        yield self
        for sub in self.subcommands:
            yield from sub.all()


def help_of(program: Path, path: list[str]) -> str:
    done = subprocess.run([program, *path, "--help"], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        sys.exit(f"completions: {program.name} {' '.join(path)} --help failed: {done.stderr}")
    return done.stdout


def entries(lines: list[str]):
    """Pairs of what stands left and right in a section of a help text."""
    for at, line in enumerate(lines):
        if not line.startswith("  ") or line.startswith(" " * COLUMN):
            continue
        following = lines[at + 1] if at + 1 < len(lines) else ""
        if following.startswith(" " * COLUMN):
            yield line.strip(), following.strip()
        else:
            yield line[:COLUMN].strip(), line[COLUMN:].strip()


def sections(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        heading = re.fullmatch(r"([A-Z][A-Za-z ]*):", line)
        if heading:
            name = heading[1]
        found.setdefault(name, []).append(line)
    return found


def option_from(left: str, right: str) -> Option:
    words = left.split()
    names = words[0].split(",")
    rest = " ".join(words[1:])
    wants = rest.split("Excludes:")[0].split("Needs:")[0].strip()
    option = Option(names, right, value=bool(wants) or "--config" in names)
    choices = re.search(r":\{([^}]*)\}", rest)
    if choices:
        option.choices = choices[1].split(",")
    option.files = bool(
        re.search(r":(FILE|DIR|PATH)", rest)
        or (option.value and re.search(r"\b([Ff]iles?|[Ff]older|PEM|socket|module|kept)\b", right))
    )
    return option


def read(program: Path, path: list[str], text: str = "") -> Command:
    command = Command(path, text)
    help_text = help_of(program, path)
    parts = sections(help_text)
    for name, lines in parts.items():
        if name in ("", "Subcommands"):
            continue
        for left, right in entries(lines[1:]):
            if left.startswith("-"):
                command.options.append(option_from(left, right))
            elif name == "Positionals" and re.search(r"FILE|PEM|[Ff]ile", left + right):
                command.files = True
    subs = list(entries(parts.get("Subcommands", [])[1:]))
    if not path and "Options" not in parts:  # a program that writes its own list
        subs = re.findall(r"^  ([a-z][a-z0-9-]*)  +(\S.*)$", help_text, re.M)
        command.options = [Option(["-h", "--help"], "Print this help message and exit"),
                           Option(["--version"], "Display program version information and exit")]
    if len(path) < MAX_DEPTH:
        command.subcommands = [read(program, [*path, n], t) for n, t in subs]
    return command


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def cases_of(root: Command, name: str, joiner: str) -> str:
    paths = [" ".join([name, *c.path]) for c in root.all() if c.path]
    return joiner.join(quoted(p) for p in paths)


HEAD = "# Made by scripts/completions.py from what `{name} --help` says.\n"


def bash(root: Command, name: str) -> str:
    function = "_" + name.replace("-", "_")
    lines = [f"# bash completion for {name}", HEAD.format(name=name).rstrip(), "", f"{function}()", "{",
             "    local cur prev words cword i",
             "    _init_completion -n = || return",
             f"    local where={name}",
             "    for ((i = 1; i < cword; i++)); do",
             '        case "$where ${words[i]}" in',
             f"            {cases_of(root, name, '|') or quoted(name + ' ')}) where+=\" ${{words[i]}}\" ;;",
             "        esac", "    done", "    case \"$where $prev\" in"]
    for command in root.all():
        where = " ".join([name, *command.path])
        for option in command.options:
            if not option.value:
                continue
            pattern = "|".join(quoted(f"{where} {n}") for n in option.names)
            if option.choices:
                does = f"COMPREPLY=($(compgen -W {quoted(' '.join(option.choices))} -- \"$cur\")); return"
            elif option.files:
                does = "_filedir; return"
            else:
                does = "return"
            lines.append(f"        {pattern}) {does} ;;")
    lines += ["    esac", '    case "$where" in']
    for command in root.all():
        words = [c.path[-1] for c in command.subcommands]
        words += [n for o in command.options for n in o.names if n.startswith("--")]
        does = f"COMPREPLY=($(compgen -W {quoted(' '.join(words))} -- \"$cur\"))"
        if command.files:
            does = f'if [[ $cur == -* ]]; then {does}; else _filedir; fi'
        lines.append(f"        {quoted(' '.join([name, *command.path]))}) {does} ;;")
    lines += ["    esac", "} &&", f"    complete -F {function} {name}", ""]
    return "\n".join(lines)


def zsh(root: Command, name: str) -> str:
    def described(pairs):
        return " ".join(quoted(f"{w.replace(':', chr(92) + ':')}:{t}") for w, t in pairs)

    function = "_" + name.replace("-", "_")
    lines = [f"#compdef {name}", HEAD.format(name=name).rstrip(), "", f"{function}() {{",
             f"  local where={name} word", "  local -a commands options",
             "  for word in ${words[2,CURRENT-1]}; do", '    case "$where $word" in',
             f"      ({cases_of(root, name, '|') or quoted(name + ' ')}) where+=\" $word\" ;;",
             "    esac", "  done", '  case "$where ${words[CURRENT-1]}" in']
    for command in root.all():
        where = " ".join([name, *command.path])
        for option in command.options:
            if not option.value:
                continue
            pattern = "|".join(quoted(f"{where} {n}") for n in option.names)
            if option.choices:
                does = "compadd -- " + " ".join(quoted(c) for c in option.choices)
            elif option.files:
                does = "_files"
            else:
                does = f"_message {quoted(option.text or 'value')}"
            lines.append(f"    ({pattern}) {does}; return ;;")
    lines += ["  esac", '  case "$where" in']
    for command in root.all():
        subs = described((c.path[-1], c.text) for c in command.subcommands)
        options = described((n, o.text) for o in command.options for n in o.names if n.startswith("--"))
        lines.append(f"    ({quoted(' '.join([name, *command.path]))})")
        lines.append(f"      commands=({subs})")
        lines.append(f"      options=({options})")
        lines.append(f"      {'_files' if command.files else ':'} ;;")
    lines += ["  esac", "  (( $#commands )) && _describe -t commands command commands",
              "  _describe -o -t options option options", "}", "", f'{function} "$@"', ""]
    return "\n".join(lines)


def fish(root: Command, name: str) -> str:
    function = "__" + name.replace("-", "_") + "_where"

    def text(value):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

    lines = [f"# fish completion for {name}", HEAD.format(name=name).rstrip(), "", f"function {function}",
             f"    set -l where {name}", "    for word in (commandline -opc)[2..-1]",
             '        switch "$where $word"']
    if root.subcommands:
        lines += [f"            case {cases_of(root, name, ' ')}",
                  '                set where "$where $word"']
    lines += ["        end", "    end", "    echo $where", "end", "", f"complete -c {name} -f"]
    for command in root.all():
        where = " ".join([name, *command.path])
        start = f"complete -c {name} -n 'test \"$({function})\" = \"{where}\"'"
        for sub in command.subcommands:
            lines.append(f"{start} -a {sub.path[-1]} -d {text(sub.text)}")
        for option in command.options:
            flags = "".join(f" -l {n[2:]}" if n.startswith("--") else f" -s {n[1:]}" for n in option.names)
            if option.value:
                flags += " -r" + (" -F" if option.files and not option.choices else "")
            if option.choices:
                flags += f" -a {text(' '.join(option.choices))}"
            lines.append(f"{start}{flags} -d {text(option.text)}")
        if command.files:
            lines.append(f"{start} -F")
    return "\n".join([*lines, ""])


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    out = Path(sys.argv[1])
    for folder in ("bash", "zsh", "fish"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for program in map(Path, sys.argv[2:]):
        root = read(program.resolve(), [])
        (out / "bash" / program.name).write_text(bash(root, program.name))
        (out / "zsh" / f"_{program.name}").write_text(zsh(root, program.name))
        (out / "fish" / f"{program.name}.fish").write_text(fish(root, program.name))


if __name__ == "__main__":
    main()
