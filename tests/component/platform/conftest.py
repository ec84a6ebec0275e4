from tests.component.platform.followed_esim import followed

__all__ = ["followed"]
