import stat

from mesh.config import load, read_secrets


def test_a_secret_is_printed_alone_and_is_new_each_time(run):
    first, second = (run("keygen").stdout for _ in range(2))
    assert len(first.split()) == 1 and len(first) > 40
    assert first != second


def test_a_file_is_its_owners_alone_and_a_node_reads_it(run, tmp_path):
    path = tmp_path / "secret"
    result = run("keygen", str(path))
    assert (result.exit_code, result.stdout) == (0, "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    config, _ = load(None, [f"mesh.secret_file={path}"], {})
    assert read_secrets(config) == (path.read_text().strip(),)


def test_a_file_that_is_there_is_left_as_it_is(run, tmp_path):
    path = tmp_path / "secret"
    path.write_text("old")
    result = run("keygen", str(path))
    assert result.exit_code == 1
    assert result.output == f"Error: {path} exists, and whoever uses it would be cut off\n"
    assert path.read_text() == "old"


def test_a_file_that_cannot_be_written_is_one_line(run, tmp_path):
    result = run("keygen", str(tmp_path / "none" / "secret"))
    assert result.exit_code == 1
    assert result.output == f"Error: {tmp_path}/none/secret: no such file or directory\n"
