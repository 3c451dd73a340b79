"""A collection of views in which another writer has plain vectors: who is found, by MaxSim in numpy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from xqg.fusion.profile import EncoderProfile, encoder_profile
from xqg.fusion.rules import Fusion, PieceVectors, fuse
from xqg.records import FusionRule

DIMENSION, LANGUAGES, PASSAGES, PLAIN = 48, 4, 200, 10
"""Of 200 passages 10 are plain: 5 %."""


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


class World:
    """An encoder as real ones are: most of every vector is common to all texts, and a part of it tells the language."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(7)
        self.languages = np.zeros((LANGUAGES, DIMENSION))
        self.languages[:, 0] = 1
        self.languages[:, 1 : LANGUAGES + 1] = 0.3 * np.eye(LANGUAGES)
        self.topics = self.noise(PASSAGES)

    def noise(self, count: int) -> np.ndarray:
        found = self.random.normal(size=(count, DIMENSION))
        found[:, : LANGUAGES + 1] = 0
        return unit(found)

    def encode(self, topics: np.ndarray, language: int) -> np.ndarray:
        return unit(0.8 * self.languages[language] + 0.55 * topics + 0.35 * self.noise(len(topics))).astype(np.float32)


def mean_reciprocal_rank(world: World, profile: EncoderProfile, plain: int) -> float:
    own = world.encode(world.topics, 0)
    owners = np.repeat(np.arange(PASSAGES), 3)
    vectors = world.encode(world.topics[owners], 0)
    flags = np.ones(len(owners), dtype=np.bool_)
    pieces = PieceVectors(vectors, np.arange(len(owners)), np.zeros(len(owners), dtype=np.bool_), owners, ~flags, flags)
    stored = fuse(own, pieces, Fusion(FusionRule.VIEWS, 0.3, 0.4, profile)).by_passage(PASSAGES)
    rows = [own[number : number + 1] if number < plain else found for number, found in enumerate(stored)]
    ranks = []
    for language in range(1, LANGUAGES):
        for number, question in enumerate(world.encode(world.topics, language)):
            scores = np.array([(found @ question).max() for found in rows])
            ranks.append(1 + (scores > scores[number]).sum())
    return float(np.mean(1 / np.array(ranks)))


def test_plain_points_of_another_writer_cost_next_to_nothing() -> None:
    world = World()
    asked = np.concatenate([world.encode(world.noise(60), language) for language in range(LANGUAGES)])
    languages = [str(language) for language in range(LANGUAGES) for _ in range(60)]
    profile = encoder_profile(asked, asked, languages, world.encode(world.noise(100), 0))
    pure = mean_reciprocal_rank(world, profile, 0)
    assert pure > 0.6
    assert abs(mean_reciprocal_rank(world, profile, PLAIN) - pure) < 0.02
    # without the constant part every plain point outranks every row
    assert mean_reciprocal_rank(world, replace(profile, share=0.0), PLAIN) < pure / 2
