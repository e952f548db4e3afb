import re

import pytest

from mesh import errors

CLASSES = {name: cls for name, cls in vars(errors).items() if isinstance(cls, type)}
DRAWN = re.findall(r"^ {4}([ │├└─]*)(\w+Error|\w+)(?: {2,}.*)?$", errors.__doc__, re.MULTILINE)


def test_the_docstring_draws_the_tree_as_it_is():
    path, drawn = [], {}
    for branch, name in DRAWN:
        del path[len(branch) // 4 :]
        drawn[name] = path[-1] if path else "Exception"
        path.append(name)
    assert drawn == {name: cls.__base__.__name__ for name, cls in CLASSES.items()}


@pytest.mark.parametrize("name", CLASSES)
def test_each_error_says_what_it_is_and_carries_its_message(name):
    assert CLASSES[name].__doc__
    assert str(CLASSES[name]("chunk of 70000 bytes")) == "chunk of 70000 bytes"
