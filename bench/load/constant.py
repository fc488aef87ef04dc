"""A python-diameter node that answers every CCR with a constant, to compare with.

Run as `python -m bench.load.constant PORT CLIENT GROUP...`. It decodes the request with the library, fills in the
library's answer and encodes it, and does nothing else: no rating, no balance, no disk.
"""

import logging
import sys
import threading

from diameter.message import Message, constants
from diameter.message.commands import CreditControlRequest
from diameter.message.commands.credit_control import GrantedServiceUnit, MultipleServicesCreditControl
from diameter.node import Node
from diameter.node.application import SimpleThreadingApplication

from bench.load.generator import REALM

WORKERS = 4


def grants(groups: tuple[int, ...]) -> list[MultipleServicesCreditControl]:
    """A megabyte for every rating group."""
    return [
        MultipleServicesCreditControl(
            granted_service_unit=GrantedServiceUnit(cc_total_octets=1_000_000),
            rating_group=group,
            validity_time=3_600,
            result_code=constants.E_RESULT_CODE_DIAMETER_SUCCESS,
        )
        for group in groups
    ]


def main() -> None:
    """Serve on the port given, until the process is ended."""
    logging.basicConfig(level=logging.ERROR)
    port, client = int(sys.argv[1]), sys.argv[2]
    services = grants(tuple(map(int, sys.argv[3:])))

    def answer(application: SimpleThreadingApplication, request: Message) -> Message:
        assert isinstance(request, CreditControlRequest)
        found = application.generate_answer(request, constants.E_RESULT_CODE_DIAMETER_SUCCESS)
        found.cc_request_type = request.cc_request_type
        found.cc_request_number = request.cc_request_number
        found.multiple_services_credit_control = services
        return found

    node = Node("constant.load.test", REALM, ip_addresses=["127.0.0.1"], tcp_port=port)
    peer = node.add_peer(f"aaa://{client}", REALM, ip_addresses=["127.0.0.1"])
    application = SimpleThreadingApplication(
        constants.APP_DIAMETER_CREDIT_CONTROL_APPLICATION,
        is_auth_application=True,
        max_threads=WORKERS,
        request_handler=answer,
    )
    node.add_application(application, [peer])
    node.start()
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
