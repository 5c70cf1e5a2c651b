"""What ``doctor`` prints about the machine."""

from cxrshort.cli.facts import _machine

MACHINE = {"device": "cpu", "precision": "bf16", "threads": 2, "cores": 2, "free_cores": 2, "load": 0.1, "busy": False}


def test_busy_machine_is_said_with_what_to_set() -> None:
    quiet = dict(_machine({**MACHINE, "disk_free_mib": 2048}))
    assert quiet["load"] == "other processes use 0.1 of 2 cores"
    busy = dict(_machine({**MACHINE, "disk_free_mib": 2048, "load": 1.04, "free_cores": 1, "busy": True}))
    assert busy["load"] == (
        "other processes use 1.0 of 2 cores, which slows training down; with --threads 1 fewer threads wait for each "
        "other; in fp32 GOMP_SPINCOUNT=1000 helps too, which train and evaluate set"
    )
