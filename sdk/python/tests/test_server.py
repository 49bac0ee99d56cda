import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import grpc

from authd_provider import provider_pb2 as pb
from authd_provider.runtime import COOKIE_KEY, COOKIE_VALUE

PROGRAM = pathlib.Path(__file__).with_name("plugin_for_tests.py")
LIMIT = 30


def environ(directory, **more):
    return {"PATH": os.environ["PATH"], COOKIE_KEY: COOKIE_VALUE, "PLUGIN_PROTOCOL_VERSIONS": "1", "PLUGIN_UNIX_SOCKET_DIR": directory, "PYTHONDONTWRITEBYTECODE": "1", **more}


class Running:
    """The program, started as authd starts it."""

    def __init__(self, case):
        self.directory = tempfile.mkdtemp(prefix="authd-py-")
        case.addCleanup(shutil.rmtree, self.directory)
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM)], env=environ(self.directory), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        case.addCleanup(self.end)
        self.hello = self.process.stdout.readline()
        self.socket = self.hello.split("|")[3]
        self.channel = grpc.insecure_channel("unix:" + self.socket)
        case.addCleanup(self.channel.close)

    def end(self):
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()

    def call(self, method, request=None):
        descriptor = pb.DESCRIPTOR.services_by_name["Provider"].methods_by_name[method]
        answer = getattr(pb, descriptor.output_type.name)
        request = request or getattr(pb, descriptor.input_type.name)()
        ask = self.channel.unary_unary("/authd.provider.v1.Provider/" + method, type(request).SerializeToString, answer.FromString)
        return ask(request, timeout=LIMIT)

    def refused(self, case, method, request=None):
        with case.assertRaises(grpc.RpcError) as caught:
            self.call(method, request)
        return caught.exception

    def configure(self, **settings):
        return self.call("Configure", pb.ConfigureRequest(type="echo", provider_id="e", settings=settings))


def provider_error(error):
    """Read the ProviderError in the details of a status: the last field of google.rpc.Status, an Any."""
    raw = dict(error.trailing_metadata())["grpc-status-details-bin"]
    found = pb.ProviderError()
    at = raw.index(b"type.googleapis.com/authd.provider.v1.ProviderError") + len("type.googleapis.com/authd.provider.v1.ProviderError")
    length, shift, at = 0, 0, at + 1  # past the tag of Any.value
    while True:
        length |= (raw[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if raw[at - 1] < 0x80:
            break
    found.ParseFromString(raw[at : at + length])
    assert at + length == len(raw)
    return found


class ServerTest(unittest.TestCase):
    def test_handshake_and_socket(self):
        plugin = Running(self)
        self.assertEqual(plugin.hello, f"1|1|unix|{plugin.socket}|grpc|\n")
        self.assertEqual(os.path.dirname(plugin.socket), plugin.directory)
        self.assertEqual(os.stat(plugin.socket).st_mode & 0o777, 0o600)

    def test_a_login(self):
        plugin = Running(self)
        configured = plugin.configure(client_secret="company")
        self.assertEqual(configured.authorization_endpoint, "https://company.example/authorize", "the class was not made again with its settings")
        self.assertEqual(list(configured.capabilities), [])
        token = plugin.call("GetToken", pb.GetTokenRequest(code="ada", redirect_uri="https://x")).token
        self.assertEqual((token.access_token, token.token_type), ("ada", "Bearer"))
        user = plugin.call("GetUserInfo", pb.GetUserInfoRequest(token=token)).user
        self.assertEqual((user.sub, user.preferred_username, user.name), ("ada", "ada", "Bearer"))
        self.assertEqual(json.loads(user.claims_json), {"id": "ada", "name": "Bearer"})
        self.assertFalse(user.HasField("email_verified"))

    def test_what_comes_at_the_wrong_time(self):
        plugin = Running(self)
        self.assertEqual(plugin.refused(self, "GetToken").code(), grpc.StatusCode.FAILED_PRECONDITION)
        bad = plugin.refused(self, "Configure", pb.ConfigureRequest(type="echo"))
        self.assertEqual(bad.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertEqual([d.setting for d in provider_error(bad).diagnostics], ["client_secret"])
        plugin.configure(client_secret="company")
        self.assertEqual(plugin.refused(self, "RefreshToken").code(), grpc.StatusCode.UNIMPLEMENTED)
        again = plugin.refused(self, "Configure", pb.ConfigureRequest(type="echo", settings={"client_secret": "company"}))
        self.assertEqual(again.code(), grpc.StatusCode.FAILED_PRECONDITION)

    def test_a_variable_that_nobody_declared(self):
        plugin = Running(self)
        bad = plugin.refused(self, "Configure", pb.ConfigureRequest(type="echo", settings={"client_secret": "company", "mood": "forgetful"}))
        self.assertEqual(provider_error(bad).diagnostics[0].setting, "OAUTH_ECHO_FORGOTTEN")
        self.assertEqual(plugin.configure(client_secret="company").authorization_endpoint, "https://company.example/authorize")

    def test_authorities_that_are_none(self):
        bad = Running(self).refused(self, "Configure", pb.ConfigureRequest(type="echo", settings={"client_secret": "company"}, ca_pem=b"x"))
        self.assertEqual(provider_error(bad).diagnostics[0].setting, "ca_file")

    # Threat 76: no secret reaches an error or the log.
    def test_errors_say_whose_fault_and_no_secret(self):
        plugin = Running(self)
        plugin.configure(client_secret="top-secret-value")
        denied = plugin.refused(self, "GetToken", pb.GetTokenRequest(code="denied", code_verifier="verifier-of-ada", redirect_uri="https://x"))
        said = provider_error(denied)
        self.assertEqual((denied.code(), said.source, said.error), (grpc.StatusCode.PERMISSION_DENIED, pb.ProviderError.SOURCE_USER, "access_denied"))
        broken = plugin.refused(self, "GetToken", pb.GetTokenRequest(code="broken", code_verifier="verifier-of-ada"))
        self.assertEqual((broken.code(), provider_error(broken).source), (grpc.StatusCode.INTERNAL, pb.ProviderError.SOURCE_PLUGIN))
        self.assertIn("RuntimeError", broken.details())
        plugin.process.stdin.close()
        plugin.process.wait(LIMIT)
        log = plugin.process.stderr.read()
        for text in (log, denied.details(), said.error_description, broken.details(), provider_error(broken).error_description):
            self.assertNotIn("verifier-of-ada", text)
            self.assertNotIn("top-secret-value", text)
        line = next(json.loads(line) for line in log.splitlines() if "GetToken failed" in line)
        self.assertEqual((line["@level"], line["@module"]), ("error", "authd_provider"))
        self.assertIn("plugin_for_tests.py", line["stack"])

    def test_print_does_not_break_the_handshake(self):
        plugin = Running(self)
        plugin.configure(client_secret="company")
        self.shutdown(plugin)
        self.assertEqual(plugin.process.stdout.read(), "")
        self.assertIn("printed while it is made", plugin.process.stderr.read())

    def shutdown(self, plugin):
        plugin.channel.unary_unary("/plugin.GRPCController/Shutdown")(b"", timeout=LIMIT)
        self.assertEqual(plugin.process.wait(LIMIT), 0)

    def test_a_method_that_never_returns_does_not_keep_the_process(self):
        plugin = Running(self)
        plugin.configure(client_secret="company")
        ask = plugin.channel.unary_unary("/authd.provider.v1.Provider/GetUserInfo")
        asked = ask.future(pb.GetUserInfoRequest(token=pb.Token(access_token="stuck")).SerializeToString(), timeout=LIMIT)
        while plugin.process.stderr.readline() != "stuck\n":
            pass
        self.shutdown(plugin)
        self.assertIsNotNone(asked.exception())

    def test_health(self):
        ask = Running(self).channel.unary_unary("/grpc.health.v1.Health/Check")
        self.assertEqual(ask(b"\x0a\x06plugin", timeout=LIMIT), b"\x08\x01")
        with self.assertRaises(grpc.RpcError) as caught:
            ask(b"\x0a\x05other", timeout=LIMIT)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)

    # Threat 140: no plugin outlives authd.
    def test_signals_are_authds_and_its_end_is_the_end(self):
        plugin = Running(self)
        for number in (signal.SIGINT, signal.SIGTERM):
            plugin.process.send_signal(number)
        self.assertEqual(plugin.call("Describe").types[0].name, "echo")
        plugin.process.stdin.close()
        self.assertEqual(plugin.process.wait(LIMIT), 0)


class ByHandTest(unittest.TestCase):
    def run_program(self, *args, **more):
        with tempfile.TemporaryDirectory() as directory:
            given = environ(directory, **more)
            return subprocess.run([sys.executable, str(PROGRAM), *args], env=given, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT)

    def test_without_the_cookie(self):
        ran = self.run_program(**{COOKIE_KEY: ""})
        self.assertEqual((ran.returncode, ran.stdout), (2, ""))
        self.assertIn("provider plugin of authd", ran.stderr)

    def test_another_protocol(self):
        ran = self.run_program(PLUGIN_PROTOCOL_VERSIONS="2,3")
        self.assertEqual((ran.returncode, ran.stdout), (2, ""))
        self.assertIn("authd speaks 2,3", ran.stderr)

    def test_flags(self):
        self.assertEqual(self.run_program("-version").stdout, "1.2.3\n")
        said = json.loads(self.run_program("-describe").stdout)
        self.assertEqual((said["version"], said["types"][0]["name"]), ("1.2.3", "echo"))
        self.assertEqual(said, json.loads(self.run_program("--describe").stdout))


if __name__ == "__main__":
    unittest.main()
