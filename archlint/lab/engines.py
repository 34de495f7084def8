"""Runs in other processes, of this machine (loky) or of a cluster (Dask, Ray), all of them by way of joblib.

What comes out is the same, to the last bit, wherever a run is made: it follows from the seed, and every process
computes in one thread. A process takes seconds to import TensorFlow, and traces each arm anew; `archlint.lab.budget`
decides whether that pays.

Dask and Ray find a running cluster as they always do, by `DASK_SCHEDULER_ADDRESS` and `RAY_ADDRESS`. Without one, they
start processes on this machine, which have the lab's own limits and end with it.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.util import find_spec
from socket import create_connection
from tempfile import gettempdir
from threading import Lock
from typing import Any

from archlint.errors import ArchlintError
from archlint.lab.arms import Data
from archlint.lab.events import Backend, Request
from archlint.lab.runs import Result, Run, Trainers, brief
from archlint.lab.training import pin_threads

LOOPBACK = "127.0.0.1"

REACHED = 10.0
"""Seconds in which a cluster must answer."""

RAY_STORE = 256 * 2**20
"""Bytes of memory that Ray's processes share: arms and samples of a few runs. Without a limit it takes a third of all
there is, at its start."""

RAY_FOLDER = 35
"""Letters of a folder in which Ray's sockets still have names that a system takes, 107 in all."""

_TRAINERS = Trainers()
_ONE_AT_A_TIME = Lock()
"""Keras's seed belongs to the whole process, and a worker of a cluster may have several threads."""


class EngineError(ArchlintError):
    """A cluster that cannot be reached or started."""


class Engine:
    """Processes that can be had for runs: `most`, each `starting` for so many seconds.

    `is_wanted`: the user has asked for them, even where they do not pay.
    """

    def __init__(self, backend: Backend, most: int, starting: float, is_wanted: bool, stack: ExitStack) -> None:
        self.backend, self.most, self.starting, self.is_wanted = backend, most, starting, is_wanted
        self._stack = stack
        self._parallel: Any = None

    def results(self, runs: Sequence[Run], data: Data, processes: int) -> Iterator[Result]:
        """What the runs show, in their order, each as soon as it is known (Ray: all at the end).

        They go on while nobody asks. All must have been asked for before this is called again.
        """
        from joblib import delayed

        if self._parallel is None:
            self._parallel = self._stack.enter_context(_parallel(self.backend, processes))
        yield from self._parallel(delayed(train)(run, data) for run in runs)


def train(run: Run, data: Data) -> Result:
    """Makes a run in the process that it was sent to; what goes wrong is sent back, as it concerns one trial only."""
    with _ONE_AT_A_TIME:
        pin_threads()
        try:
            return _TRAINERS.ready(run.key, run.arm, lambda: data, run.plan).run(run.seed)
        except ArchlintError as error:
            return error
        except Exception as error:  # of TensorFlow, whose errors cannot always be sent
            return RuntimeError(brief(error))


def _parallel(backend: Backend, processes: int) -> Any:
    from joblib import Parallel, parallel_config

    # Ray cannot return one result before the others
    form = "list" if backend is Backend.ray else "generator"
    with parallel_config(backend=backend.value):
        return Parallel(n_jobs=processes, return_as=form, batch_size=1, max_nbytes=None)


@contextmanager
def engine(request: Request, starting: float) -> Iterator[Engine | None]:
    """The engine that was asked for, and ended with the block; loky if none was, or nothing where there is no joblib.

    Args:
        request: what the user wants.
        starting: seconds in which this process has imported TensorFlow, as every other must.

    Raises:
        EngineError: there is no such cluster.
    """
    is_wanted = request.backend is not None or request.jobs is not None
    if not is_wanted and find_spec("joblib") is None:
        yield None
        return
    backend = request.backend or Backend.loky
    with ExitStack() as stack:
        try:
            most = stack.enter_context(_FOUND[backend](request.jobs))
        except Exception as error:  # of a library that has its own for everything, from the network on
            raise EngineError(f"{backend.value} could not be started, or reached: {brief(error)}") from error
        if not most:
            raise EngineError(f"the {backend.value} cluster has no workers; start some, or use another --backend")
        yield Engine(backend, min(most, request.jobs or most), starting, is_wanted, stack)


@contextmanager
def _loky(jobs: int | None) -> Iterator[int]:
    yield jobs or _cores()


@contextmanager
def _dask(jobs: int | None) -> Iterator[int]:
    import dask
    from distributed import Client, LocalCluster

    with ExitStack() as stack:
        cluster = None
        if dask.config.get("scheduler-address", None) is None:
            cluster = LocalCluster(
                n_workers=jobs or _cores(),
                threads_per_worker=1,
                host=LOOPBACK,
                dashboard_address=None,
                local_directory=gettempdir(),
            )
            stack.enter_context(cluster)
        yield len(stack.enter_context(Client(cluster)).nthreads())


@contextmanager
def _ray(jobs: int | None) -> Iterator[int]:
    import ray
    from ray.util.joblib import register_ray

    own: Mapping[str, Any] = {
        "address": "local",
        "num_cpus": jobs or _cores(),
        "include_dashboard": False,
        "object_store_memory": RAY_STORE,
        "_node_ip_address": LOOPBACK,
        "_temp_dir": folder if len(folder := gettempdir()) <= RAY_FOLDER else None,
    }
    if address := os.environ.get("RAY_ADDRESS"):
        _reach(address)
    ray.init(log_to_driver=False, **({} if address else own))
    try:
        register_ray()
        yield int(ray.cluster_resources().get("CPU", 0))
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """OSError if nobody listens there; Ray itself would go on trying for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdecimal():
        create_connection((host, int(port)), REACHED).close()


def _cores() -> int:
    from joblib import cpu_count

    return int(cpu_count())


_FOUND: Mapping[Backend, Callable[[int | None], AbstractContextManager[int]]] = {
    Backend.loky: _loky,
    Backend.dask: _dask,
    Backend.ray: _ray,
}
"""How many processes each can give; a cluster of our own is there as long as the block."""
