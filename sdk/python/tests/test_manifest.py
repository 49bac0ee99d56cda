import unittest

from authd_provider import OAuthProvider, Setting
from authd_provider.manifest import DefinitionError, check_settings, describe, settings_of


def provider(**members):
    return type("Acme", (OAuthProvider,), {"id": "acme-two", **members})


class SettingsTest(unittest.TestCase):
    def test_env_becomes_settings(self):
        got = settings_of(provider(env=["OAUTH_ACME_TWO_CLIENT_ID", "OAUTH_ACME_TWO_CLIENT_SECRET", "OAUTH_ACME_TWO_SIGNING_KEY"]))
        self.assertEqual([(s.name, s.required, s.secret) for s in got], [("client_id", True, False), ("client_secret", True, True), ("signing_key", True, True)])
        self.assertTrue(all(s.help for s in got))

    def test_another_prefix(self):
        got = settings_of(provider(env=["OAUTH_COGNITO_CLIENT_ID", "OAUTH_COGNITO_DOMAIN"]))
        self.assertEqual([s.name for s in got], ["client_id", "domain"])
        self.assertEqual([s.name for s in settings_of(provider(env=["OAUTH_COGNITO_DOMAIN"]))], ["cognito_domain"])

    def test_secrets_are_known_by_their_names(self):
        for name in ("client_secret", "password", "api_key", "token", "signing_key_pem"):
            self.assertTrue(settings_of(provider(settings=[Setting(name)]))[0].secret, name)
        for name in ("client_id", "token_url", "key_id", "domain"):
            self.assertFalse(settings_of(provider(settings=[Setting(name)]))[0].secret, name)
        self.assertFalse(settings_of(provider(settings=[Setting("public_key", secret=False)]))[0].secret)

    def test_settings_say_more_about_env(self):
        got = settings_of(provider(env=["OAUTH_X_DOMAIN"], settings=[Setting("host", "OAUTH_X_DOMAIN", help="Where it is."), Setting("more")]))
        self.assertEqual([(s.name, s.env, s.required) for s in got], [("host", "OAUTH_X_DOMAIN", True), ("more", "OAUTH_ACME_TWO_MORE", False)])

    def test_what_authd_could_not_use(self):
        for members in (
            {"id": "Acme"}, {"id": ""}, {"env": ["DATABASE_URL"]}, {"settings": [Setting("scopes")]}, {"settings": [Setting("x_file")]},
            {"settings": [Setting("Upper")]}, {"settings": [Setting("a", pattern="(")]}, {"env": ["OAUTH_ACME_TWO_SCOPES"]},
        ):
            with self.subTest(members), self.assertRaises(DefinitionError):
                describe([provider(**members)], "1")
        with self.assertRaises(DefinitionError):
            describe([provider(), provider()], "1")

    def test_label(self):
        self.assertEqual(describe([provider()], "v1").types[0].label, "Acme Two")


class CheckTest(unittest.TestCase):
    acme = provider(env=["OAUTH_ACME_TWO_CLIENT_SECRET"], settings=[Setting("region", default="eu", pattern="[a-z]{2}", help="Two letters.")])

    def test_every_fault_at_once(self):
        complete, faults = check_settings(self.acme, {"region": "Europe", "colour": "red"})
        self.assertEqual([(f.setting, f.summary) for f in faults], [("client_secret", "is not set"), ("region", "is malformed"), ("colour", "is not a setting of type acme-two")])
        self.assertIn("OAUTH_ACME_TWO_CLIENT_SECRET", faults[0].detail)
        self.assertIn("client_secret_file", faults[0].detail)
        self.assertNotIn("red", str(faults))

    def test_defaults(self):
        complete, faults = check_settings(self.acme, {"client_secret": "s"})
        self.assertEqual((complete, faults), ({"client_secret": "s", "region": "eu"}, []))


if __name__ == "__main__":
    unittest.main()
