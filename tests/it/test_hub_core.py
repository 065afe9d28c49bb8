"""[hub-1] to [hub-20]: the hub itself. Who may do what, from its first start to its last."""


def test_whoami(hub):
    for role, token in hub.tokens.items():
        answer = hub.get("/api/v1/whoami", token=token)
        assert answer.status_code == 200
        assert answer.json()["role"] == role
