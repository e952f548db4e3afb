from dataclasses import replace

from mesh.bench.process import Cost
from mesh.bench.report import Report, Spread, spread

REPORT = Report(100, 5.0, 50, 0, 105.0, None, None, None, None, None)


def test_many_figures_become_three():
    assert spread(range(101)) == Spread(50, 99, 100)
    assert spread([7.0]) == Spread(7, 7, 7)
    assert spread([]) is None


def test_cost_is_shared_among_those_who_joined():
    costly = replace(REPORT, before=Cost(1.0, 2.0, 10), after=Cost(1.5, 3.0, 20))
    assert costly.cores == 0.3
    assert costly.cpu_us == 6000


def test_without_a_process_there_is_no_cost():
    assert REPORT.cores is None and REPORT.cpu_us is None
