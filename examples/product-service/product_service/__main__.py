"""Serves the API on port 3000 until SIGTERM, which ECS sends to a task it stops."""

import logging
import os
import signal
import sys
from typing import NoReturn

import uvicorn

from product_service.app import create_app

# Shorter than the 30 seconds that ECS waits between SIGTERM and SIGKILL.
SECONDS_TO_FINISH_REQUESTS = 5


def exit_cleanly(signal_number: int, frame: object) -> NoReturn:
    sys.exit(0)


def main() -> None:
    # uvicorn finishes the running requests when a signal comes and then hands the signal on to the handlers
    # it found. Without ours the process would die of the signal, and ECS would report exit code 143.
    signal.signal(signal.SIGTERM, exit_cleanly)
    signal.signal(signal.SIGINT, exit_cleanly)
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    uvicorn.run(
        create_app(),
        host=os.environ.get("HOST", "0.0.0.0"),
        port=int(os.environ.get("PORT", "3000")),
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=SECONDS_TO_FINISH_REQUESTS,
    )


if __name__ == "__main__":
    main()
