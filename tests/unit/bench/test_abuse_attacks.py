"""Each attack of bench-abuse switches off settings that its target has, with values that it accepts."""

import pytest

import gateway.settings
import services.catalogue.settings
import webhooks.settings
from bench.abuse.attacks import ATTACKS, Attack
from kit.values.env import Env

READ = {
    "gateway": gateway.settings.Settings.read,
    "webhooks": webhooks.settings.Settings.read,
    "catalogue": services.catalogue.settings.Settings.read,
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_the_bounds_can_be_switched_off(attack: Attack) -> None:
    env = Env(attack.off)
    READ[attack.target](env)
    assert attack.off.keys() <= env.declared.keys()
    assert not [problem for problem in env.problems if any(name in problem for name in attack.off)]
