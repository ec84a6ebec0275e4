from tests.component.platform.followed_esim import stage

__all__ = ["stage"]
