import io

from cli.local.console import Console


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def test_lines_are_aligned_and_have_no_colors_in_a_file() -> None:
    stream = io.StringIO()
    console = Console(stream, {})
    console.say("up", "ready")
    console.say("catalogue", "synced")
    console.say("catalogue", "")
    assert stream.getvalue() == "up        | ready\ncatalogue | synced\n"


def test_each_name_has_its_own_color_on_a_terminal() -> None:
    stream = Terminal()
    console = Console(stream, {})
    for name in ("orders", "esims", "orders"):
        console.say(name, "x")
    first, second, third = stream.getvalue().splitlines()
    assert first == third
    assert first.split("m", 1)[0] != second.split("m", 1)[0]


def test_the_no_color_variable_is_respected() -> None:
    stream = Terminal()
    Console(stream, {"NO_COLOR": "1"}).say("orders", "x")
    assert stream.getvalue() == "orders    | x\n"


class Gone(io.StringIO):
    """A pipe whose reader has closed."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_closed_pipe_does_not_stop_the_processes() -> None:
    Console(Gone(), {}).say("orders", "x")
