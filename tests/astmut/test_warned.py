"""The compiler's warnings: never a user's to see, and never a reason to lose the user's own."""

import threading
import warnings

import astmut
from astmut.warned import quiet

WARNING = "x = f(a, 1) if a is 1 else '\\d'\n"  # Python warns of `is` with a number, and of the escape


def test_no_warning_of_the_compiler_is_seen() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert list(astmut.mutate(WARNING))
        warnings.warn("mine", stacklevel=1)
    assert [str(each.message) for each in seen] == ["mine"]


def test_the_filters_are_those_from_before_whichever_thread_leaves_last() -> None:
    before = list(warnings.filters)
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with quiet():
            inside.set()
            assert leave.wait(10)

    thread = threading.Thread(target=other)
    with quiet():
        thread.start()
        assert inside.wait(10)
    assert warnings.filters[0][0] == "ignore"  # the other thread still needs it
    leave.set()
    thread.join()
    assert warnings.filters == before
    with quiet(), quiet():
        pass
    assert warnings.filters == before


def test_threads_leave_the_filters_as_they_were() -> None:
    before = list(warnings.filters)
    found: list[list[str]] = []

    def work() -> None:
        found.extend([mutant.text for mutant in astmut.mutate(WARNING)] for _ in range(30))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before
    assert len(found) == 120
    assert all(texts == found[0] for texts in found)
