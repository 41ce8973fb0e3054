"""What a Space can know of a visitor before a clip is asked for: whether he signed in, and then as what."""

import os

import gradio as gr


def can_sign_in() -> bool:
    """Whether this Space has Hugging Face's sign-in (`hf_oauth` in its README), which sets this variable."""
    return "OAUTH_CLIENT_ID" in os.environ


def kind_of(visitor: gr.Request) -> str:
    """A kind of quota.QUOTAS_S; "anonymous" for all who did not sign in here."""
    session = getattr(visitor.request, "scope", {}).get("session", {})
    profile = session.get("oauth_info", {}).get("userinfo")
    if profile is None:
        return "anonymous"
    return "pro" if profile.get("isPro") else "free"
