"""One library function for another (SYNC rule 1)."""

from __future__ import annotations

import libcst as cst

from astmut.model import new_tuple
from astmut.rulebook import Rewrite, Rewrites, rule
from astmut.source import Source
from astmut.substitutes import substitutes


@rule("substitute-library-function", "sync", "natural")
def substitute_library_function(
    node: cst.Call, source: Source, *, library: str = "in-scope", alternatives: int = 10, index: str | None = None
) -> Rewrites:
    """Call another library function, one of like name and signature.

    What is called is resolved through the imports; builtins, methods, and names that the file binds itself are left
    alone. The other function is one that the imports reach at that place, written as they make it valid: a dotted
    name becomes a dotted name, a bare name one that is imported already. The nearest come first, at most
    ``alternatives``; each is tagged with its full name. With ``library=paper`` it is any function of the index, and
    only the last name changes, as in the paper: such a mutant need not run. There, names that nothing binds stand
    for the modules that they commonly stand for (``np``, ``plt``, ``os``). ``index`` is the file of an index to use
    instead of astmut's own.

    import copy as c; c.deepcopy(x)                =>  import copy as c; c.copy(x)
    from shutil import copy, move; move(a, b)      =>  from shutil import copy, move; copy(a, b)
    from shutil import move; move(a, b)            =>
    import copy; copy = f(); copy.copy(x)          =>
    from .copy import copy, deepcopy; copy(x)      =>
    def f(copy): import keyword; copy.copy(x)      =>
    a.copy(x)                                      =>
    len(x)                                         =>
    np.sqrt(x)                                     =>

    import copy, keyword
    copy.copy(x)
    =>
    import copy, keyword
    copy.deepcopy(x)
    |
    import copy, keyword
    keyword.issoftkeyword(x)
    |
    import copy, keyword
    keyword.iskeyword(x)
    """
    called = node.func
    found = substitutes(source, library, alternatives, index).of(called)
    if not found:
        return ()
    whole = source.place(called)
    last = source.place(called.attr) if type(called) is cst.Attribute else whole
    return [
        new_tuple(Rewrite, ({last if last_only else whole: text}, (name,), None)) for name, text, last_only in found
    ]
