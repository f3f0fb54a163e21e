"""The flow of ../run.sh with Authlib: token, introspection, revocation. Run by scripts/clients, which says where and as whom."""

import os
import sys

from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url

# The service is on this machine: elsewhere it has to be https, and this goes.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
url = os.environ["URL"]
steps, known = [], {}


def step(function):
    steps.append(function)


def client(name, secret=None, method="client_secret_basic"):
    identity, own = os.environ[f"{name}_ID"], os.environ[f"{name}_SECRET"]
    session = OAuth2Session(identity, secret or own, token_endpoint_auth_method=method, revocation_endpoint_auth_method=method)
    # What is not on this machine is not asked, whatever the environment says of proxies.
    session.trust_env = False
    return session


def granted(session, scope="orders:read"):
    return session.fetch_token(known["server"]["token_endpoint"], grant_type="client_credentials", scope=scope)


def introspected(session):
    return session.introspect_token(known["server"]["introspection_endpoint"], token=known["token"])


def revoked(session):
    return session.revoke_token(known["server"]["revocation_endpoint"], token=known["token"])


def refused(error, function, *arguments):
    try:
        function(*arguments)
    except OAuthError as refusal:
        assert refusal.error == error, refusal
    else:
        raise AssertionError(f"not refused: {error}")


@step
def the_metadata_is_that_of_the_issuer():
    answer = client("WORKER").get(get_well_known_url(url, external=True), withhold_token=True)
    known["server"] = AuthorizationServerMetadata(answer.json())
    assert (known["server"]["issuer"], known["server"].get("jwks_uri")) == (url, None)


@step
def a_client_gets_a_token():
    answer = granted(client("WORKER"))
    assert (answer["token_type"], answer["scope"], "refresh_token" in answer) == ("Bearer", "orders:read", False), answer
    known["token"] = answer["access_token"]


@step
def also_with_its_secret_in_the_form():
    assert granted(client("WORKER", method="client_secret_post"))["access_token"]


@step
def another_service_learns_that_it_is_good():
    answer = introspected(client("ORDERS")).json()
    expected = {"active": True, "client_id": os.environ["WORKER_ID"], "scope": "orders:read", "iss": url}
    assert expected.items() <= answer.items(), answer


@step
def who_may_not_ask_is_not_told():
    assert introspected(client("WORKER")).status_code in (400, 401, 403)


@step
def a_scope_that_is_not_held_is_refused():
    refused("invalid_scope", granted, client("WORKER"), "hallpass:introspect")


@step
def a_wrong_secret_is_refused():
    refused("invalid_client", granted, client("WORKER", "hp_cs_wrong"))


@step
def another_client_cannot_take_it_back():
    assert revoked(client("ORDERS")).status_code == 400
    assert introspected(client("ORDERS")).json()["active"]


@step
def the_client_takes_it_back():
    assert revoked(client("WORKER")).status_code == 200


@step
def another_service_learns_that_it_is_good_no_more():
    assert introspected(client("ORDERS")).json() == {"active": False}


failed = 0
for function in steps:
    try:
        function()
    except Exception as error:  # every failure is counted and the rest goes on
        failed += 1
        print(f"FAILED: {function.__name__}: {error!r}", file=sys.stderr)
print(f"Authlib: {len(steps) - failed} passed, {failed} failed")
sys.exit(1 if failed else 0)
