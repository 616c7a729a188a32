"""llama.cpp's server on 127.0.0.1: python -m tests.llama PORT MODEL"""

import signal
import sys

from xllamacpp import CommonParams, Server


def main(port: str, model: str) -> None:
    params = CommonParams()
    params.model.path, params.hostnames, params.port = model, ["127.0.0.1"], int(port)
    params.n_ctx, params.n_parallel = 4096, 4
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.warmup = False
    server = Server(params)  # serves in threads of its own, as long as it is referred to
    print(server.listening_address, flush=True)
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
