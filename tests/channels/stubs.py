"""Stand-ins for vendors that hold callers to the documented contract: what the vendor would refuse, they refuse."""

from base64 import b64decode
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.channels.peers import NOW, Answer, Request, Response, as_json

SID = "AC" + "0123456789abcdef" * 2
TOKEN = "0123456789abcdef0123456789abcdef"
BOT = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
ACCESS = "EAAJB-access-token"
EMAIL = "sender@lucky-app.iam.gserviceaccount.com"

_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = _KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


def twilio(outcome: Response | None = None) -> Answer:
    """POST /2010-04-01/Accounts/{sid}/Messages.json: form, Basic, To, one of From and MessagingServiceSid, Body."""

    def error(status: int, code: int, message: str) -> Response:
        return as_json({"code": code, "message": message, "more_info": "", "status": status}, status)

    def answer(request: Request) -> Response:
        scheme, _, basic = request.headers.get("authorization", "").partition(" ")
        if scheme != "Basic" or b64decode(basic).decode() != f"{SID}:{TOKEN}":
            return error(401, 20003, "Authenticate")
        if (request.method, request.target) != ("POST", f"/2010-04-01/Accounts/{SID}/Messages.json"):
            return error(404, 20404, "The requested resource was not found")
        if request.headers.get("content-type") != "application/x-www-form-urlencoded":
            return error(400, 21604, "A 'To' phone number is required.")
        form = request.form
        if not form.get("To", "").startswith("+"):
            return error(400, 21211, "Invalid 'To' Phone Number")
        if ("From" in form) == ("MessagingServiceSid" in form):
            return error(400, 21603, "A 'From' phone number is required.")
        if not 0 < len(form.get("Body", "")) <= 1600:
            return error(400, 21602, "Message body is required.")
        known = {"To", "From", "MessagingServiceSid", "Body", "StatusCallback", "ValidityPeriod"}
        if set(form) - known or not 1 <= int(form["ValidityPeriod"]) <= 36_000:
            return error(400, 21622, "Unknown or bad parameter")
        return outcome or as_json({"sid": "SM" + "f" * 32, "status": "queued", "error_code": None}, 201)

    return answer


def telegram(outcome: Response | None = None) -> Answer:
    """POST /bot{token}/sendMessage: JSON; chat_id, text of 1 to 4096, a keyboard of buttons that each do one thing."""

    def error(status: int, description: str, **more: Any) -> Response:
        return as_json({"ok": False, "error_code": status, "description": description, **more}, status)

    def answer(request: Request) -> Response:
        if not request.target.startswith(f"/bot{BOT}/"):
            return error(404, "Not Found")
        if request.target != f"/bot{BOT}/sendMessage" or request.method != "POST":
            return error(404, "Not Found: method not found")
        if request.headers.get("content-type") != "application/json":
            return error(400, "Bad Request: message text is empty")
        said = request.json
        if not said.get("chat_id"):
            return error(400, "Bad Request: chat_id is empty")
        if not 0 < len(said.get("text", "")) <= 4096:
            return error(400, "Bad Request: message text is empty")
        for row in said.get("reply_markup", {"inline_keyboard": []})["inline_keyboard"]:
            for button in row:
                if set(button) != {"text", "url"} or not all(button.values()):
                    return error(400, "Bad Request: can't parse inline keyboard button")
        if set(said) - {"chat_id", "text", "link_preview_options", "reply_markup", "protect_content"}:
            return error(400, "Bad Request: unknown parameter")
        return outcome or as_json({"ok": True, "result": {"message_id": 42, "chat": {"id": said["chat_id"]}}})

    return answer


def whatsapp(outcome: Response | None = None) -> Answer:
    """POST /{version}/{phone number id}/messages: Bearer, JSON, one of the documented types, whole."""

    def error(status: int, code: int, message: str) -> Response:
        return as_json({"error": {"message": message, "type": "OAuthException", "code": code}}, status)

    def is_whole(said: dict[str, Any]) -> bool:
        match said["type"]:
            case "text":
                return 0 < len(said["text"]["body"]) <= 4096
            case "interactive":
                inner = said["interactive"]
                button = inner["action"]["parameters"]
                return (
                    inner["type"] == inner["action"]["name"] == "cta_url"
                    and 0 < len(inner["body"]["text"]) <= 1024
                    and 0 < len(button["display_text"]) <= 20
                    and button["url"].startswith("http")
                )
            case "template":
                values = [p["text"] for c in said["template"]["components"] for p in c["parameters"]]
                broken = any("\n" in value or "\t" in value or "    " in value or not value for value in values)
                return bool(said["template"]["name"] and said["template"]["language"]["code"]) and not broken
        return False

    def answer(request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {ACCESS}":
            return error(401, 190, "Invalid OAuth access token - Cannot parse access token")
        if (request.method, request.target) != ("POST", "/v23.0/106540352242922/messages"):
            return error(400, 100, "Unsupported post request")
        if request.headers.get("content-type") != "application/json":
            return error(400, 100, "(#100) The parameter messaging_product is required.")
        said = request.json
        if said.get("messaging_product") != "whatsapp" or said.get("recipient_type") != "individual":
            return error(400, 100, "(#100) The parameter messaging_product is required.")
        if not said["to"].isdigit() or not is_whole(said) or len(said["biz_opaque_callback_data"]) > 512:
            return error(400, 131009, "Parameter value is not valid")
        contact = {"input": said["to"], "wa_id": said["to"]}
        return outcome or as_json(
            {"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": "wamid.HBgM"}]}
        )

    return answer


class Google:
    """The token endpoint and FCM HTTP v1 on one server."""

    def __init__(self) -> None:
        self.url = ""
        self.tokens = 0
        self.expires_in = 3599
        self.token_outcome: Response | None = None
        self.outcome: Callable[[Request], Response | None] = lambda _request: None

    def __call__(self, request: Request) -> Response:
        return self._token(request) if request.target == "/token" else self._send(request)

    def _token(self, request: Request) -> Response:
        form = request.form
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return as_json({"error": "unsupported_grant_type"}, 400)
        options: Any = {"verify_exp": False, "verify_iat": False, "require": ["iss", "scope", "aud", "exp", "iat"]}
        try:
            claims = jwt.decode(
                form["assertion"], _KEY.public_key(), ["RS256"], audience=self.url + "/token", options=options
            )
        except jwt.PyJWTError as error:
            return as_json({"error": "invalid_grant", "error_description": str(error)}, 400)
        is_short = 0 < claims["exp"] - claims["iat"] <= 3600 and claims["iat"] >= NOW // 1000
        if claims["iss"] != EMAIL or "firebase.messaging" not in claims["scope"] or not is_short:
            return as_json({"error": "invalid_grant"}, 400)
        self.tokens += 1
        body = {"access_token": f"ya29.{self.tokens}", "expires_in": self.expires_in, "token_type": "Bearer"}
        return self.token_outcome or as_json(body)

    def _send(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer ya29.{self.tokens}":
            return fcm_error(401, "UNAUTHENTICATED")
        if (request.method, request.target) != ("POST", "/v1/projects/lucky-app/messages:send"):
            return fcm_error(404, "NOT_FOUND")
        message = request.json["message"]
        known = {"token", "notification", "data", "android", "apns", "webpush", "fcm_options"}
        if not message.get("token") or set(message) - known or set(request.json) - {"message", "validate_only"}:
            return fcm_error(400, "INVALID_ARGUMENT")
        if set(message["notification"]) - {"title", "body", "image"}:
            return fcm_error(400, "INVALID_ARGUMENT")
        if not all(isinstance(value, str) for value in message["data"].values()):
            return fcm_error(400, "INVALID_ARGUMENT")
        if not message["android"]["ttl"].endswith("s") or message["android"]["priority"] not in ("HIGH", "NORMAL"):
            return fcm_error(400, "INVALID_ARGUMENT")
        if len(message["apns"]["headers"]["apns-collapse-id"].encode()) > 64:
            return fcm_error(400, "INVALID_ARGUMENT")
        return self.outcome(request) or as_json({"name": "projects/lucky-app/messages/0:1500415314455276"})


def fcm_error(status: int, name: str, code: str = "", **headers: str) -> Response:
    details: list[dict[str, Any]] = []
    if code == "token":
        violation = {"field": "message.token", "description": "Invalid registration token"}
        details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}]
    elif code:
        details = [{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}]
    error = {"code": status, "message": "...", "status": name, "details": details}
    return as_json({"error": error}, status, **headers)


MODEL_KEY = "sk-0123456789abcdef"


def chat(outcome: Response | str | None = None) -> Answer:
    """POST /v1/chat/completions: Bearer, JSON, only parameters that the API knows, messages of known roles."""

    def error(status: int, message: str, code: str | None = None) -> Response:
        body = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
        return as_json({"error": body}, status)

    def answer(request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {MODEL_KEY}":
            return error(401, "Incorrect API key provided.", "invalid_api_key")
        if (request.method, request.target) != ("POST", "/v1/chat/completions"):
            return error(404, f"Invalid URL ({request.method} {request.target})")
        if request.headers.get("content-type") != "application/json":
            return error(400, "We could not parse the JSON body of your request.")
        said = request.json
        if unknown := set(said) - {"model", "messages", "temperature", "max_tokens", "response_format"}:
            return error(400, f"Unrecognized request argument supplied: {min(unknown)}")
        if said.get("model") != "small-1":
            return error(404, f"The model {said.get('model')!r} does not exist", "model_not_found")
        if [set(message) for message in said["messages"]] != [{"role", "content"}] * len(said["messages"]):
            return error(400, "Missing required parameter: 'messages[0].content'.")
        if [message["role"] for message in said["messages"]] != ["system", "user"]:
            return error(400, "Invalid value for 'messages[0].role'.")
        if not 0 <= said["temperature"] <= 2 or not 0 < said["max_tokens"] <= 4096:
            return error(400, "Invalid value: integer below minimum value.")
        is_json = said.get("response_format") == {"type": "json_object"}
        if is_json and "json" not in " ".join(message["content"] for message in said["messages"]).lower():
            return error(400, "'messages' must contain the word 'json' in some form, to use 'response_format'.")
        if isinstance(outcome, Response):
            return outcome
        content = outcome if outcome is not None else '{"mood": "negative", "confidence": 0.93}'
        message = {"role": "assistant", "content": content, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        usage = {"prompt_tokens": 180, "completion_tokens": 14, "total_tokens": 194}
        return as_json(
            {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "small-1", "choices": [choice]}
            | {"usage": usage}
        )

    return answer
