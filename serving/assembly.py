"""One worker's parts, put together from the settings after the fork; what they do is each part's own business."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serving import VERSION, observation, store
from serving.access import memory as access_memory
from serving.access.entrance import Entrance
from serving.access.memory import SharedMemory
from serving.access.wiring import Access
from serving.answering import Answering
from serving.cache import opening
from serving.cache.settings import REDIS
from serving.counting import CacheCounts, DeploymentCounts, FeatureCounts, QueueCounts, trace_report
from serving.deployments.opening import followers
from serving.docs.document import Terms
from serving.docs.routes import docs_routes
from serving.engine.limits import Limits
from serving.engine.load import Load
from serving.engine.server import Server
from serving.errors import error_body
from serving.execution.choice import choose
from serving.execution.queued import Queue
from serving.features.lookup import FeatureLookup
from serving.messages import Routes
from serving.metrics import Metrics, MetricsMemory
from serving.metrics import memory as metrics_memory
from serving.model import Model
from serving.models import Models
from serving.observation import Observation
from serving.oip.repository import Control, repository_routes
from serving.oip.routes import oip_routes
from serving.predictor import Predictor
from serving.routes import READY, Status, predict_route, probe_routes, service_routes
from serving.rpc.opening import open_rpc
from serving.settings import Settings
from serving.shadow.copying import Shadow, busy_by
from serving.store import Files
from serving.timing import Timing
from serving.tracing.worker import FLUSH_SECONDS, Tracing, tracing_of

if TYPE_CHECKING:
    from serving.cache.redis_store import RedisStore
    from serving.rpc.server import RpcServer

REPORT_STOP_SECONDS = 1.0
"""How long a worker may still say that it holds nothing any more."""
QUEUE_STOP_SECONDS = 1.0
"""How long a queue may still run what nobody waits for any more."""


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What the workers of a container have in common: memory made before they are forked."""

    metrics: MetricsMemory
    limits: SharedMemory | None

    @classmethod
    def create(cls, settings: Settings) -> Shared:
        return cls(
            metrics=metrics_memory.create(settings.workers),
            limits=access_memory.create(settings.workers) if settings.access.authentication else None,
        )


class Parts:
    """A worker's parts, on the running event loop. Nothing moves before `start`."""

    def __init__(self, settings: Settings, shared: Shared, worker: int, port: int) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self.load = Load()
        self.metrics = Metrics(shared.metrics, worker)
        self._queue_counts = QueueCounts(self.metrics)
        self._deployment_counts = DeploymentCounts(self.metrics)
        self._features = FeatureLookup(settings.features, FeatureCounts(self.metrics))
        self._store = self._open_store()
        self._kept = opening.open_responses(
            settings.cache, self._store, CacheCounts(self.metrics), namespace=settings.models_bucket
        )
        self.models = self._models(worker)
        self.access = Access(settings.access, shared.limits, worker) if shared.limits is not None else None
        self.tracing = self._tracing(port)
        self._requests = observation.request_log(settings.pod_name)
        self.status = Status(lambda: self.models.find(self.models.default), self._missing)
        self._shadow = Shadow(self.metrics, self._loop, busy=busy_by(self.load))
        self.answering = Answering(
            self.models,
            Entrance(
                self.access.admission if self.access is not None else None,
                self.load.wait_seconds,
                max_wait_seconds=settings.max_wait_ms / 1000,
            ),
            self.metrics,
            self._deployment_counts,
            self._shadow,
        )
        self._control = Control(
            self.models, self.answering.entrance, patience_seconds=settings.request_timeout_seconds / 2
        )
        self._rpc: RpcServer | None = None
        self._awaits_rpc = False
        self._limits = limits = Limits(
            max_body_bytes=settings.max_body_bytes,
            max_connections=settings.max_connections,
            body_timeout_seconds=settings.request_timeout_seconds,
            answer_timeout_seconds=settings.request_timeout_seconds,
            keep_alive_seconds=settings.keep_alive_seconds,
        )
        self._observe = Observation(self.metrics, self._requests)
        self._trace = self.tracing.tracer.start if self.tracing is not None else None
        self.service = Server(self._routes(), limits, self._observe, error_body, self._trace)
        self.probes = Server(probe_routes(self.status, self.metrics), limits, observation.ignore, error_body)

    def start(self) -> None:
        """Begin to follow the bucket and the credentials."""
        if self.tracing is not None:
            self.tracing.exporter.start()
        self.models.start(every_seconds=self._settings.refresh_seconds)
        if self.access is not None:
            self.access.start()

    def await_rpc(self) -> None:
        """Not be ready before gRPC is served: a pod gets no calls that it would refuse."""
        self._awaits_rpc = True

    async def open_rpc(self, port: int, *, shared: bool) -> int:
        """Serve gRPC too, on the port or on a free one for 0; the port. Raise OSError where it cannot be had."""
        settings = self._settings
        self._rpc, bound = await open_rpc(
            self.answering,
            self._control,
            self._limits,
            self._observe,
            self._trace,
            server_version=VERSION,
            max_rows=settings.max_rows,
            ready=self._is_ready,
            host=settings.host,
            port=port,
            shared=shared,
            drain_seconds=settings.drain_seconds,
        )
        self._awaits_rpc = False
        return bound

    def drain(self) -> None:
        """Say no to further requests while answering those that come all the same."""
        self.status.draining = self.service.draining = True

    def stop_following(self) -> None:
        self.models.stop()
        self._features.close()
        if self.access is not None:
            self.access.stop()

    async def stop_serving(self) -> None:
        """Take no more requests, and answer those that have begun."""
        grace_seconds = self._settings.request_timeout_seconds
        stopping = [self.service.stop(grace_seconds)]
        if self._rpc is not None:
            stopping.append(self._rpc.stop(grace_seconds))
        await asyncio.gather(*stopping)
        await self.probes.stop(0)

    async def close(self) -> None:
        """Once all is answered: end the queues, and write out what is kept back."""
        self.load.stop()
        self._shadow.close()
        await asyncio.to_thread(self.models.close, REPORT_STOP_SECONDS)
        for predictor in self.models.loaded():
            if predictor.queue is not None:
                await predictor.queue.stop(QUEUE_STOP_SECONDS)
        if self._store is not None:
            await self._store.close()
        if self._requests is not None:
            self._requests.flush()
        if self.tracing is not None:
            await asyncio.to_thread(self.tracing.exporter.stop, FLUSH_SECONDS)

    def _open_store(self) -> RedisStore | None:
        cache = self._settings.cache
        return opening.open_store(cache.redis) if cache.mode == REDIS and cache.redis is not None else None

    def _is_ready(self) -> bool:
        return self.status.word == READY

    def _missing(self) -> str:
        if self.access is not None and not self.access.ready:
            return "credentials"
        if self._awaits_rpc:
            return "gRPC"
        return ", ".join(self.models.missing)

    def _routes(self) -> Routes:
        settings, answering = self._settings, self.answering
        rows = settings.max_rows
        predict = predict_route(answering, self._features, self._kept, rows)
        return {
            **service_routes(predict, answering.entrance, self.status, self.metrics),
            **oip_routes(answering, VERSION, max_rows=rows, ready=self._is_ready, kept=self._kept),
            **docs_routes(
                self.models,
                answering.entrance,
                Terms(
                    authentication=settings.access.authentication,
                    max_rows=rows,
                    max_body_bytes=settings.max_body_bytes,
                ),
            ),
            **repository_routes(self._control),
        }

    def _models(self, worker: int) -> Models:
        settings = self._settings
        return Models.of_bucket(
            store.client(settings.download_threads),
            settings.models_bucket,
            settings.models,
            self._open,
            self.metrics,
            cache_dir=settings.cache_dir,
            trusted=settings.trusted_keys,
            variant=settings.runtime.variant,
            max_disk_bytes=settings.max_disk_bytes,
            max_memory_bytes=settings.max_memory_bytes,
            threads=settings.download_threads,
            followers=followers(
                settings.deployments, pod=settings.pod_name, worker=worker, counts=self._deployment_counts
            ),
            counts=self._deployment_counts,
        )

    def _open(self, files: Files) -> Predictor:
        """Load a version, decide where it runs, and meet its feature store; in the thread that follows the bucket."""
        predictor = Predictor.load(
            files.metadata,
            files.model,
            variant=files.variant,
            runtime=self._settings.runtime,
            queue_of=self._queue_of,
        )
        features = files.metadata.features
        if features is not None:
            self._features.open(self._features.plan(features, files.metadata.inputs[0].datatype))
        return predictor

    def _queue_of(self, model: Model, timing: Timing) -> Queue | None:
        return choose(
            model,
            timing,
            self._settings.execution,
            loop=self._loop,
            max_wait_ms=self._settings.max_wait_ms,
            batch_rows=self._queue_counts.batch_rows,
            waited_seconds=self._queue_counts.waited_seconds,
        )

    def _tracing(self, port: int) -> Tracing | None:
        settings = self._settings
        if settings.tracing is None:
            return None
        return tracing_of(
            settings.tracing,
            environment=settings.environment,
            pod_name=settings.pod_name,
            server_port=port,
            report=trace_report(self.metrics),
        )
