"""Files of series, made by a seed, whose floors are known."""

import csv
import json
import math

import numpy as np


def waves(path, count=160, seed=0):
    """Series of unequal length, slow or fast sines under noise, beside a channel of noise; one JSON object a line."""
    random = np.random.default_rng(seed)
    with path.open("w") as file:
        for number in range(count):
            steps = int(random.integers(24, 49))
            turns = np.arange(steps) * (0.9 if number % 2 else 0.4) + random.uniform(0, 6)
            x = np.sin(turns) + 0.2 * random.normal(size=steps)
            row = {"id": f"s{number}", "x": x.round(4).tolist(), "noise": random.normal(size=steps).round(4).tolist(),
                   "kind": "fast" if number % 2 else "slow"}  # fmt: skip
            file.write(json.dumps(row) + "\n")


def wave(fast, steps=40):
    """One series to be told apart, without noise."""
    return {"x": np.sin(np.arange(steps) * (0.9 if fast else 0.4)).tolist(), "noise": [0.0] * steps}


def recordings(path, users=6, seed=0):
    """Long recordings of people who walk and sit by turns, one row a step."""
    random = np.random.default_rng(seed)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["user", "step", "up", "side", "doing"])
        for user in range(users):
            step = 0
            for part in range(8):
                for _ in range(60):
                    up = math.sin(step * 0.7) if part % 2 else 0.0
                    table.writerow([f"u{user}", step, up + 0.3 * random.normal(), random.normal(),
                                    "walks" if part % 2 else "sits"])  # fmt: skip
                    step += 1


def shops(path, days=420, seed=0):
    """Sales of two shops by day: a trend, a week, promotions that are known before, and noise of deviation 1.

    What the noise leaves unexplained is the floor: the naive forecast of one week before errs by the root of 2 times
    that, and by the promotions, which it does not see.
    """
    random = np.random.default_rng(seed)
    first = np.datetime64("2023-01-01")
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["day", "shop", "sold", "promotion"])
        for shop, level in (("north", 40.0), ("south", 60.0)):
            promotion = random.random(days) < 0.2
            for day in range(days):
                week = 6 * math.sin(2 * math.pi * day / 7)
                sold = level + 0.02 * day + week + 10 * promotion[day] + random.normal()
                table.writerow([str(first + day), shop, round(sold, 3), "yes" if promotion[day] else "no"])


def rows_of(path, shop):
    """The rows of one shop, as objects of numbers and text."""
    with path.open() as file:
        rows = [row for row in csv.DictReader(file) if row["shop"] == shop]
    return [{**row, "sold": float(row["sold"])} for row in rows]
