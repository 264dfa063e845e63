"""One libtorrent client for the end-to-end tests.

Takes one JSON argument: torrent (path), directory, listen ("127.0.0.1:0"). Writes what happens as
JSON lines: listening, announced, tracker_error, complete, stopped. Only trackers may introduce
peers. Stops (and says so to the tracker) at the end of standard input, so it never outlives the test.
"""

import json
import sys
import threading
import time

import libtorrent as lt


def tell(event, **details):
    print(json.dumps({"event": event, **details}), flush=True)


def start_session(listen):
    return lt.session(
        {
            "listen_interfaces": listen,
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "enable_incoming_utp": False,
            "enable_outgoing_utp": False,
            # All clients of a test have the same address, often a loopback one.
            "allow_multiple_connections_per_ip": True,
            "ssrf_mitigation": False,
            "user_agent": "riptide-test",
            "unchoke_interval": 1,
            "alert_mask": lt.alert.category_t.status_notification
            | lt.alert.category_t.tracker_notification
            | lt.alert.category_t.error_notification,
        }
    )


def add_torrent(session, options):
    parameters = lt.add_torrent_params()
    parameters.ti = lt.torrent_info(options["torrent"])
    parameters.save_path = options["directory"]
    parameters.flags |= (
        lt.torrent_flags.disable_dht
        | lt.torrent_flags.disable_lsd
        | lt.torrent_flags.disable_pex
    )
    parameters.flags &= ~lt.torrent_flags.auto_managed
    parameters.flags &= ~lt.torrent_flags.paused
    return session.add_torrent(parameters)


def report(alert):
    if isinstance(alert, lt.listen_succeeded_alert):
        tell("listening", port=alert.port)
    elif isinstance(alert, lt.listen_failed_alert):
        tell("listen_failed", message=alert.message())
    elif isinstance(alert, lt.tracker_reply_alert):
        tell("announced", peers=alert.num_peers)
    elif isinstance(alert, lt.tracker_error_alert):
        tell("tracker_error", message=alert.message())
    elif isinstance(alert, lt.torrent_finished_alert):
        tell("complete")
    elif isinstance(alert, lt.torrent_error_alert):
        tell("failed", message=alert.message())


def main():
    options = json.loads(sys.argv[1])
    session = start_session(options["listen"])
    handle = add_torrent(session, options)
    ended = threading.Event()

    def read_input():
        sys.stdin.read()
        ended.set()

    threading.Thread(target=read_input, daemon=True).start()
    has_announced = False
    while not ended.is_set():
        session.wait_for_alert(50)
        for alert in session.pop_alerts():
            report(alert)
            has_announced |= isinstance(alert, lt.tracker_reply_alert)
    status = handle.status()
    tell("status", peers=status.num_peers, downloaded=status.total_payload_download)
    handle.pause()
    # A tracker that never took it in is told nothing.
    deadline = time.monotonic() + (5 if has_announced else 0)
    while time.monotonic() < deadline:
        session.wait_for_alert(50)
        alerts = session.pop_alerts()
        if any(isinstance(alert, lt.tracker_reply_alert) for alert in alerts):
            break
        if any(isinstance(alert, lt.tracker_error_alert) for alert in alerts):
            break
    tell("stopped")


main()
