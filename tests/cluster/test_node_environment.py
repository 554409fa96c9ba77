"""Where samples run and what surrounds their command, in real SLURM jobs."""

from environment_modules import write_modules
from workflow_helpers import awk_study

OUTPUTS = [{"name": "y", "regex": r"y = (\S+)"}]


def study_of(script, **rest):
    model = {"command": ["sh", "-c", f"{script}; : ${{a}} ${{b}}"], "outputs": OUTPUTS}
    return awk_study(4, batch={"size": 2}, model=model | rest.pop("model", {}), **rest)


def kept(directory):
    return sorted((directory / "results/small/samples").glob("*/*/stdout.txt"))


def test_samples_run_on_the_scratch_of_their_node(tmp_path, slurm, on_cluster):
    # this variable exists on nodes only, where each has a directory of that name
    for node in slurm.node_names():
        (tmp_path / "scratch" / node).mkdir(parents=True)
    where = f"{tmp_path}/scratch/$SLURMD_NODENAME"
    script = "echo y = 1; echo $SLURMD_NODENAME; pwd"
    done = on_cluster(slurm, study=study_of(script, scratch=where, keep="all"))
    assert done.code == 0, done.text
    assert len(kept(tmp_path)) == 4
    for path in kept(tmp_path):
        _, node, place = path.read_text().splitlines()
        assert place.startswith(f"{tmp_path}/scratch/{node}/ensnare-")
    assert list((tmp_path / "scratch").glob("*/*")) == []


def test_a_node_without_scratch_is_one_line(tmp_path, slurm, on_cluster):
    where = f"{tmp_path}/$SLURMD_NODENAME"
    study = study_of("echo y = 1", scratch=where) | {"batch": {"size": 4}}
    done = on_cluster(slurm, "--retries", 0, study=study)
    assert done.code != 0
    logs = list((tmp_path / "results/small/logs/evaluate").glob("*"))
    said = "".join(path.read_text() for path in logs).splitlines()
    lines = [line for line in said if f"scratch: no directory {tmp_path}/n" in line]
    assert len(lines) == 1, done.text
    assert not any("Traceback" in line for line in said)


def test_modules_of_the_node_wrap_the_command(tmp_path, monkeypatch, slurm, on_cluster):
    for name, value in write_modules(tmp_path).items():
        monkeypatch.setenv(name, value)
    script = "test $PYTHONHOME = /nowhere && ! python3 && solver 5"
    environment = {"environment": {"modules": ["solver/${version}"]}}
    study = study_of(script, model=environment, sweep={"version": [1, 2]}, keep="all")
    done = on_cluster(slurm, study=study)
    assert done.code == 0, done.text
    assert (
        sorted(path.read_text() for path in kept(tmp_path)) == ["y = 15\n"] * 4 + ["y = 25\n"] * 4
    )
