def test_a_good_file_is_fine(run, tmp_path):
    path = tmp_path / "node.toml"
    path.write_text("[node]\nname = 'a'\nzone = 'fra'")
    assert run("config", "check", str(path)).output == f"{path} is fine; it sets node.name, node.zone\n"


def test_a_bad_file_is_one_line_and_exit_code_1(run, tmp_path):
    path = tmp_path / "node.toml"
    path.write_text("[node]\ndrain_s = -1")
    result = run("config", "check", str(path))
    assert result.exit_code == 1
    assert result.output == f"Error: {path}: node.drain_s is -1, expected seconds from 0 to 86400\n"


def test_a_secret_that_cannot_be_read_is_an_error_too(run, tmp_path):
    path = tmp_path / "node.toml"
    path.write_text("[mesh]\nsecret_file = '/nowhere/secret'")
    assert (
        run("config", "check", str(path)).output
        == "Error: mesh.secret_file: /nowhere/secret: no such file or directory\n"
    )
