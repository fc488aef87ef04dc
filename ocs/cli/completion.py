"""`ocs completion SHELL`: a script made of the parser itself, so that it knows every command and option."""

import argparse
from collections.abc import Iterator

from ocs.cli.main import build_parser


def print_(arguments: argparse.Namespace) -> int:
    """Print the script of a shell."""
    words = dict(_words(build_parser(), ""))
    match arguments.shell:
        case "bash":
            print(_bash(words))
        case "zsh":
            print(f"#compdef ocs\nautoload -U +X bashcompinit && bashcompinit\n{_bash(words)}")
        case "fish":
            print("\n".join(_fish(words)))
    return 0


Words = dict[str, str]  # what may follow, with what it does


def _words(parser: argparse.ArgumentParser, path: str) -> Iterator[tuple[str, Words]]:
    """Every command with what may follow it."""
    words: Words = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, sub in action.choices.items():
                words[name] = summaries.get(name, "")
                yield from _words(sub, f"{path} {name}".strip())
        elif action.option_strings:
            words[action.option_strings[-1]] = (action.help or "").replace("(%(default)s)", "").strip()
        elif action.choices is not None:
            words |= dict.fromkeys(map(str, action.choices), "")
    yield path, words


def _bash(words: dict[str, Words]) -> str:
    cases = "\n".join(
        f'    "{path}") words="{" ".join(sorted(following))}" ;;' for path, following in sorted(words.items())
    )
    return f"""\
_ocs() {{
  local word path="" words=""
  COMPREPLY=()
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$word" in -*) ;; *)
      case "$path $word" in
{_known(words)}
      esac ;;
    esac
  done
  case "$path" in
{cases}
  esac
  case "${{COMP_WORDS[COMP_CWORD-1]}}" in
    --config|--output|--file|--tariff|--out) COMPREPLY=($(compgen -f -- "${{COMP_WORDS[COMP_CWORD]}}")); return ;;
    --data-dir) COMPREPLY=($(compgen -d -- "${{COMP_WORDS[COMP_CWORD]}}")); return ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -F _ocs ocs"""


def _known(words: dict[str, Words]) -> str:
    """Lines that go from a command to one of its sub-commands."""
    known = sorted(path for path in words if path)
    lines = []
    for path in known:
        before, _, last = path.rpartition(" ")
        lines.append(f'        "{before} {last}") path="{path}" ;;')
    return "\n".join(lines)


def _fish(words: dict[str, Words]) -> Iterator[str]:
    yield "complete -c ocs -f"
    for path, following in sorted(words.items()):
        parts = path.split()
        seen = " ".join(f"__fish_seen_subcommand_from {part};" for part in parts)
        condition = (
            "; and ".join(filter(None, seen.rstrip(";").split(";"))) if parts else "__fish_use_subcommand"
        )
        deeper = sorted(name for name in following if f"{path} {name}".strip() in words)
        if parts and deeper:
            condition += f"; and not __fish_seen_subcommand_from {' '.join(deeper)}"
        for name, summary in sorted(following.items()):
            described = f" -d '{_quoted(summary)}'" if summary else ""
            if name.startswith("--"):
                yield f"complete -c ocs -n '{condition}' -l {name[2:]}{described}"
            elif not name.startswith("-"):
                yield f"complete -c ocs -n '{condition}' -a '{name}'{described}"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'").partition("\n")[0]
