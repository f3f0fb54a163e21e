"""A client that openapi-python-client has made of docs/openapi.json does what people and machines do, and reads every answer into its types."""

import os
import sys

from hallpass_client import AuthenticatedClient, Client
from hallpass_client.api.machines import introspect, metadata, token
from hallpass_client.api.operations import livez
from hallpass_client.api.people import account, login, logout, me, refresh, sessions, step_up
from hallpass_client.models import Account, Login, Logout, Me, Problem, Refresh, StepUp, TokenResponse

URL = os.environ["URL"]
passed = 0


def check(holds, what):
    global passed
    if not holds:
        sys.exit(f"generated client: {passed} passed, 1 failed: {what}")
    passed += 1


def answered(module, status, kind, **arguments):
    answer = module.sync_detailed(**arguments)
    check(answer.status_code == status and (kind is None or isinstance(answer.parsed, kind)), f"{module.__name__}: {answer}")
    return answer.parsed


stranger = Client(base_url=URL)
credentials = {"email": os.environ["DEMO_EMAIL"], "password": os.environ["DEMO_PASSWORD"]}
answered(livez, 200, None, client=stranger)
problem = answered(login, 401, Problem, client=stranger, body=Login(email=credentials["email"], password="not the password"))
check(problem.code == "invalid_credentials" and problem.request_id, problem)
tokens = answered(login, 200, TokenResponse, client=stranger, body=Login(**credentials))
check(tokens.token_type == "Bearer" and tokens.refresh_token.startswith("hp_rt_"), tokens)

person = AuthenticatedClient(base_url=URL, token=tokens.access_token)
who = answered(me, 200, Me, client=person)
check(who.sub.startswith("usr_") and who.roles == ["demo"] and who.amr == ["pwd"], who)
check(answered(account, 200, Account, client=person).email == credentials["email"], "the account")
check(any(session.current for session in answered(sessions, 200, list, client=person)), "the current session")
stronger = answered(step_up, 200, TokenResponse, client=person, body=StepUp(password=credentials["password"]))
check(stronger.session_id == tokens.session_id, stronger)
fresh = answered(refresh, 200, TokenResponse, client=stranger, body=Refresh(refresh_token=tokens.refresh_token))
check(fresh.refresh_token != tokens.refresh_token, "a new refresh token")
answered(logout, 204, None, client=person, body=Logout())
check(answered(me, 401, Problem, client=person).code == "invalid_token", "a token that was logged out")
answered(metadata, 200, None, client=stranger)
print(f"generated client: {passed} passed, 0 failed")
