"""A provider for the tests, as a program: what it does is in what its settings say."""

import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from authd_provider import OAuthProvider, Setting, User, UserError, serve


class Echo(OAuthProvider):
    id = "echo"
    env = ["OAUTH_ECHO_CLIENT_SECRET"]
    settings = [Setting("mood", help="How it goes.")]
    # Read where the class is made, as some of Chainlit's providers do.
    authorize_url = f"https://{os.environ.get('OAUTH_ECHO_CLIENT_SECRET', 'nobody')}.example/authorize"

    def __init__(self):
        print("printed while it is made")
        if os.environ.get("OAUTH_ECHO_MOOD") == "forgetful":
            os.environ["OAUTH_ECHO_FORGOTTEN"]

    async def get_token(self, code, url):
        if code == "denied":
            raise UserError("access_denied", f"{code} with {self.exchange.code_verifier} at {url}")
        if code == "broken":
            raise RuntimeError(f"verifier {self.exchange.code_verifier}, secret {os.environ['OAUTH_ECHO_CLIENT_SECRET']}")
        return code

    def get_user_info(self, token):  # not async: it runs in a thread
        if token == "stuck":
            print("stuck")
            threading.Event().wait()
        return {"id": token, "name": self.token.token_type}, User(token)


if __name__ == "__main__":
    serve("plugin_for_tests:Echo", version="1.2.3")
