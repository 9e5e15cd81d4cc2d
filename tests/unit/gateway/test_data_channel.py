"""The data channel: AWS's protocol for its plugin, exit codes and streams apart for Neargate's own client."""

from __future__ import annotations

import asyncio
import json

import pytest

from neargate.cli.session import Lost, Outcome
from neargate.data_channel import message as wire
from neargate.data_channel.message import Message, PayloadType
from neargate.data_channel.sequence import Outgoing
from neargate.drivers.ecs.exec_sessions import engine_refusal, start_error
from neargate.model.errors import AwsError
from tests.unit.gateway.exec_world import CHANNELS, LOGS, ExecWorld, Talk, Websocket, exec_world

pytestmark = pytest.mark.anyio

ID = bytes(16)


async def acknowledge(socket: Websocket, message: Message) -> None:
    await socket.send(wire.acknowledgement(message, ID, 1).encode())


async def everything(socket: Websocket) -> tuple[list[Message], Message]:
    """All streamed messages, each acknowledged, and the one that closed the channel."""
    streamed = []
    async with asyncio.timeout(5):
        while True:
            message = await socket.message()
            if message.type == wire.CHANNEL_CLOSED:
                return streamed, message
            if message.type == wire.OUTPUT:
                streamed.append(message)
                await acknowledge(socket, message)


async def test_the_plugin_hears_the_command_without_a_handshake_and_no_exit_code() -> None:
    async with exec_world() as world:
        session = await world.begin()
        socket = await world.opened(session)
        first = await socket.message()
        assert (first.type, first.payload, first.sequence) == (wire.OUTPUT, b"ready\r\n", 0)
        assert (first.flags, first.payload_type) == (wire.SYN, PayloadType.OUTPUT)
        await acknowledge(socket, first)
        await socket.send(Outgoing(wire.INPUT).number(PayloadType.OUTPUT, b"q", ID, 0.0).encode())
        streamed, closed = await everything(socket)
        assert [m.payload for m in streamed] == [b"bye\r\n"]
        assert closed.document()["Output"] == ""
        assert closed.document()["SessionId"] == session["sessionId"]
        with pytest.raises(Lost):
            await socket.recv()


async def test_what_the_client_does_not_acknowledge_comes_again() -> None:
    async with exec_world() as world:
        socket = await world.opened(await world.begin())
        first, again = await socket.message(), await socket.message()
        assert first == again


async def test_input_is_acknowledged_in_whatever_order_it_comes() -> None:
    async with exec_world() as world:
        socket = await world.opened(await world.begin())
        ready = await socket.message()
        await acknowledge(socket, ready)
        outgoing = Outgoing(wire.INPUT)
        one, two = (outgoing.number(PayloadType.OUTPUT, text, ID, 0.0) for text in (b"1", b"2"))
        await socket.send(two.encode())
        assert (await socket.message()).document()["AcknowledgedMessageSequenceNumber"] == 1
        await socket.send(b"no message")
        await socket.send(one.encode())
        assert (await socket.message()).document()["AcknowledgedMessageSequenceNumber"] == 0
        echoed = [await socket.message(), await socket.message()]
        assert [m.payload for m in echoed] == [b"1", b"2"]


async def test_without_a_terminal_streams_are_apart_and_the_exit_code_is_told() -> None:
    async with exec_world() as world:
        talk = Talk.new(terminal=False)
        running = asyncio.ensure_future(talk.run(world, await world.begin()))
        await talk.client.send(b"hello")
        await talk.until(b"hello")
        await talk.client.end_input()
        assert await running == Outcome(exit_code=3)
        assert (talk.out, talk.err) == (b"ready\nhello", b"bye\n")


async def test_a_terminal_has_the_size_of_the_client_s() -> None:
    async with exec_world() as world:
        talk = Talk.new(terminal=True)
        running = asyncio.ensure_future(talk.run(world, await world.begin("size")))
        await talk.until(b"?")
        await talk.client.resize(132, 43)
        assert await running == Outcome(exit_code=0)
        assert talk.out == b"?132x43"


async def test_much_output_arrives_whole_and_in_order() -> None:
    async with exec_world() as world:
        talk = Talk.new(terminal=False)
        assert await talk.run(world, await world.begin("much")) == Outcome(exit_code=0)
        assert talk.out.split() == [f"{number:07d}".encode() for number in range(2000)]


async def test_a_lost_connection_is_resumed_where_it_was() -> None:
    async with exec_world() as world:
        session = await world.begin()
        talk = Talk.new(terminal=True)
        first = world.connect(session)
        running = asyncio.ensure_future(talk.client.run(first, session["tokenValue"]))
        await talk.until(b"ready")
        await first.break_off()
        with pytest.raises(Lost):
            await running
        await talk.client.send(b"while nobody listened")
        again = await world.ecs.call("ResumeSession", "ssm", SessionId=session["sessionId"])
        assert again["TokenValue"] != session["tokenValue"]
        running = asyncio.ensure_future(talk.client.run(world.connect(session), again["TokenValue"]))
        await talk.until(b"while nobody listened")
        await talk.client.send(b"q")
        assert await running == Outcome(exit_code=3)
        assert talk.out == b"ready\r\nwhile nobody listenedbye\r\n"


async def refused(world: ExecWorld, socket: Websocket) -> str:
    message = await socket.message()
    assert message.type == wire.CHANNEL_CLOSED
    with pytest.raises(Lost):
        await socket.recv()
    return str(message.document()["Output"])


async def test_only_the_token_of_the_session_opens_it() -> None:
    async with exec_world() as world:
        session = await world.begin()
        other = await world.opened({**session, "tokenValue": "x"})
        assert await refused(world, other) == "The token of this session is not valid."
        nobody = await world.opened({**session, "sessionId": "ecs-execute-command-0"})
        assert await refused(world, nobody) == "The token of this session is not valid."
        silent = world.connect(session)
        await silent.send(json.dumps({"MessageSchemaVersion": "1.0"}))
        with pytest.raises(Lost):
            await silent.recv()


async def test_a_program_that_is_not_there() -> None:
    async with exec_world() as world:
        socket = await world.opened(await world.begin("/bin/bash -l"))
        assert await refused(world, socket) == (
            'Unable to start command: Failed to start pty: exec: "/bin/bash": executable file not found in $PATH'
        )
        socket = await world.opened(await world.begin("sh -c 'x"))
        assert (await refused(world, socket)).startswith(
            "Unable to start command: Failed to parse commands input: No closing quotation"
        )


def test_podman_s_way_to_say_so_is_told_in_aws_s_words() -> None:
    said = (
        b'Error: runc: exec failed: unable to start container process: exec: "ll": executable file not found in '
        b"$PATH: OCI runtime attempted to invoke a command that was not found\n"
    )
    assert engine_refusal(said)
    assert start_error(said, 127) == (
        'Unable to start command: Failed to start pty: exec: "ll": executable file not found in $PATH'
    )
    assert start_error(said, 0) == ""
    assert start_error(b"sh: 1: ll: not found\n", 127) == ""


async def test_a_session_can_be_terminated_and_is_listed() -> None:
    async with exec_world() as world:
        session = await world.begin()
        talk = Talk.new(terminal=True)
        running = asyncio.ensure_future(talk.run(world, session))
        await talk.until(b"ready")
        listed = await world.ecs.call("DescribeSessions", "ssm", State="Active")
        (shown,) = listed["Sessions"]
        assert (shown["SessionId"], shown["Status"]) == (session["sessionId"], "Connected")
        assert shown["DocumentName"] == "AmazonECS-ExecuteInteractiveCommand"
        await world.ecs.call("TerminateSession", "ssm", SessionId=session["sessionId"])
        assert await running == Outcome()
        assert (await world.ecs.call("DescribeSessions", "ssm", State="Active"))["Sessions"] == []
        (ended,) = (await world.ecs.call("DescribeSessions", "ssm", State="History"))["Sessions"]
        assert (ended["SessionId"], ended["Status"]) == (session["sessionId"], "Terminated")
        again = await world.ecs.call("ResumeSession", "ssm", SessionId=session["sessionId"])
        assert "TokenValue" not in again


async def test_a_restart_ends_what_was_open_and_keeps_what_nobody_has_opened_yet() -> None:
    async with exec_world() as world:
        talk, session = Talk.new(terminal=True), await world.begin()
        running = asyncio.ensure_future(talk.run(world, session))
        await talk.until(b"ready")
        waiting = await world.begin("size")
        await world.sessions.end_all()  # as a server does before it takes websockets
        listed = await world.ecs.call("DescribeSessions", "ssm", State="Active")
        assert [each["SessionId"] for each in listed["Sessions"]] == [waiting["sessionId"]]
        assert await running == Outcome()


async def test_a_session_ends_with_its_container() -> None:
    async with exec_world() as world:
        talk = Talk.new(terminal=True)
        running = asyncio.ensure_future(talk.run(world, await world.begin()))
        await talk.until(b"ready")
        await world.ecs.call("StopTask", cluster="c", task=world.arn)
        assert (await running).exit_code == 137


async def transcript(world: ExecWorld) -> str:
    """Run `much`; what is in the stream of its session."""
    session = await world.begin("much")
    await Talk.new(terminal=True).run(world, session)
    found = await world.ecs.call(
        "GetLogEvents", "logs", logGroupName="/web", logStreamName=session["sessionId"], startFromHead=True
    )
    return "".join(event["message"] for event in found["events"])


async def test_the_transcript_goes_where_the_container_s_lines_go() -> None:
    options = {"awslogs-group": "/web", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "p"}
    logging = {"logDriver": "awslogs", "options": options}
    async with exec_world(CHANNELS, LOGS, logConfiguration=logging) as world:
        assert (await transcript(world)).startswith("0000000\r\n0000001\r\n")


async def test_the_cluster_may_say_where_the_transcript_goes() -> None:
    async with exec_world(CHANNELS, LOGS) as world:
        await world.ecs.call("CreateBucket", "s3", Bucket="talks")
        place = {"cloudWatchLogGroupName": "/web", "s3BucketName": "talks", "s3KeyPrefix": "exec"}
        wanted = {"executeCommandConfiguration": {"logging": "OVERRIDE", "logConfiguration": place}}
        await world.ecs.call("UpdateCluster", cluster="c", configuration=wanted)
        assert (await transcript(world)).endswith("0001999\r\n")
        listed = await world.ecs.call("ListObjectsV2", "s3", Bucket="talks")
        (key,) = [each["Key"] for each in listed["Contents"]]
        assert key.startswith("exec/ecs-execute-command-")
        assert key.endswith(".log")
        none = {"executeCommandConfiguration": {"logging": "NONE"}}
        await world.ecs.call("UpdateCluster", cluster="c", configuration=none)
        with pytest.raises(Exception, match="The specified log stream does not exist"):
            await transcript(world)


async def test_a_role_that_may_not_write_logs_loses_the_transcript_only() -> None:
    options = {"awslogs-group": "/web", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "p"}
    async with exec_world(CHANNELS, logConfiguration={"logDriver": "awslogs", "options": options}) as world:
        with pytest.raises(Exception, match="The specified log stream does not exist"):
            await transcript(world)


async def forwarded(world: ExecWorld, document: str, **parameters: str) -> dict[str, str]:
    """A session that forwards a port of the task's."""
    (container,) = (await world.ecs.task(world.arn))["containers"]
    answer = await world.ecs.call(
        "StartSession",
        "ssm",
        Target=f"ecs:c_{world.arn.rsplit('/', 1)[-1]}_{container['runtimeId']}",
        DocumentName=document,
        Parameters={name: [value] for name, value in parameters.items()},
    )
    return {"sessionId": answer["SessionId"], "tokenValue": answer["TokenValue"]}


async def shaken(socket: Websocket, outgoing: Outgoing) -> dict[str, object]:
    """The handshake of a port session, as the plugin goes through it; what it was told of the port."""
    request = await socket.message()
    await acknowledge(socket, request)
    (action,) = request.document()["RequestedClientActions"]
    assert action["ActionParameters"]["SessionType"] == "Port"
    response = outgoing.number(PayloadType.HANDSHAKE_RESPONSE, b"{}", ID, 0.0)
    await socket.send(response.encode())
    while (message := await socket.message()).payload_type != PayloadType.HANDSHAKE_COMPLETE:
        pass
    await acknowledge(socket, message)
    return dict(action["ActionParameters"]["Properties"])


async def test_a_forwarded_port_takes_one_connection_after_the_other() -> None:
    async with exec_world() as world:
        (sandbox,) = [sandbox for _, sandbox in world.ecs.containers.sandboxes.values()]
        listener = await world.ecs.fabric.listener(sandbox.netns, "127.0.0.1", 5432)
        greeted = 0

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal greeted
            greeted += 1
            writer.write(f"hello {greeted}: ".encode() + (await reader.readexactly(3)).upper())
            writer.close()

        server = await asyncio.start_server(greet, sock=listener)
        session = await forwarded(
            world, "AWS-StartPortForwardingSession", portNumber="5432", localPortNumber="15432"
        )
        socket, outgoing = await world.opened(session), Outgoing(wire.INPUT)
        assert await shaken(socket, outgoing) == {
            "portNumber": "5432",
            "localPortNumber": "15432",
            "type": "LocalPortForwarding",
        }

        async def answer_to(text: bytes) -> bytes:
            await socket.send(outgoing.number(PayloadType.OUTPUT, text, ID, 0.0).encode())
            async with asyncio.timeout(5):
                while (message := await socket.message()).type != wire.OUTPUT:
                    pass
            await acknowledge(socket, message)
            return message.payload

        assert await answer_to(b"one") == b"hello 1: ONE"
        ended = wire.flag_payload(wire.Flag.DISCONNECT_TO_PORT)
        await socket.send(outgoing.number(PayloadType.FLAG, ended, ID, 0.0).encode())
        assert await answer_to(b"two") == b"hello 2: TWO"
        end = wire.flag_payload(wire.Flag.TERMINATE_SESSION)
        await socket.send(outgoing.number(PayloadType.FLAG, end, ID, 0.0).encode())
        _, closed = await everything(socket)
        assert closed.document()["Output"] == ""
        server.close()


async def test_a_port_on_which_nothing_listens() -> None:
    async with exec_world() as world:
        session = await forwarded(world, "AWS-StartPortForwardingSession", portNumber="81")
        socket = await world.opened(session)
        assert (await refused(world, socket)).startswith("Unable to connect to specified port: ")
        assert (await world.ecs.call("DescribeSessions", "ssm", State="Active"))["Sessions"] == []


async def test_what_is_no_port_or_host_is_refused() -> None:
    async with exec_world() as world:
        with pytest.raises(AwsError, match=r"portNumber 70000 is no port\."):
            await forwarded(world, "AWS-StartPortForwardingSession", portNumber="70000")
        with pytest.raises(AwsError, match=r"needs the parameter host\."):
            await forwarded(world, "AWS-StartPortForwardingSessionToRemoteHost", portNumber="80")
        with pytest.raises(
            AwsError, match="ssm:StartSession DocumentName AWS-StartSSHSession is not implemented"
        ):
            await forwarded(world, "AWS-StartSSHSession", portNumber="22")
