"""How often AudioSet gives each set of labels to a clip of each concept.

Counted over the 6064 released training clips, whose labels all lie inside one concept's set. Rarer
sets than one in two hundred are left out.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Clips per tag set, by concept.
TAG_SETS: Mapping[str, Mapping[tuple[str, ...], int]] = {
    "speech": {
        (
            "Speech",
            "Narration, monologue",
            "Male speech, man speaking",
        ): 1139,
        (
            "Speech",
            "Narration, monologue",
            "Female speech, woman speaking",
        ): 1075,
        (
            "Speech",
            "Narration, monologue",
            "Male speech, man speaking",
            "Female speech, woman speaking",
        ): 24,
        (
            "Speech",
            "Male speech, man speaking",
            "Female speech, woman speaking",
        ): 12,
    },
    "laughter": {
        ("Laughter",): 186,
        (
            "Laughter",
            "Baby laughter",
        ): 23,
    },
    "applause": {
        ("Applause",): 231,
    },
    "dog": {
        (
            "Animal",
            "Domestic animals, pets",
            "Dog",
            "Bow-wow",
        ): 149,
        (
            "Animal",
            "Domestic animals, pets",
            "Dog",
            "Bow-wow",
            "Yip",
        ): 48,
        (
            "Animal",
            "Dog",
            "Bow-wow",
        ): 11,
        (
            "Domestic animals, pets",
            "Dog",
            "Bow-wow",
        ): 6,
        (
            "Domestic animals, pets",
            "Dog",
            "Bow-wow",
            "Yip",
        ): 3,
        (
            "Animal",
            "Domestic animals, pets",
            "Bow-wow",
        ): 2,
    },
    "duck": {
        (
            "Animal",
            "Duck",
            "Quack",
        ): 129,
        (
            "Bird",
            "Duck",
        ): 102,
        (
            "Duck",
            "Quack",
        ): 75,
        ("Duck",): 38,
        (
            "Animal",
            "Duck",
        ): 32,
        (
            "Bird",
            "Duck",
            "Goose",
        ): 21,
        (
            "Bird",
            "Duck",
            "Quack",
        ): 7,
        (
            "Animal",
            "Bird",
            "Duck",
            "Goose",
        ): 4,
        (
            "Animal",
            "Bird",
            "Duck",
        ): 3,
    },
    "siren": {
        (
            "Siren",
            "Emergency vehicle",
            "Police car (siren)",
        ): 235,
        (
            "Siren",
            "Emergency vehicle",
            "Ambulance (siren)",
        ): 146,
        (
            "Siren",
            "Emergency vehicle",
            "Fire engine, fire truck (siren)",
        ): 131,
        (
            "Siren",
            "Emergency vehicle",
            "Police car (siren)",
            "Ambulance (siren)",
        ): 108,
        (
            "Siren",
            "Emergency vehicle",
            "Ambulance (siren)",
            "Fire engine, fire truck (siren)",
        ): 27,
        (
            "Siren",
            "Emergency vehicle",
            "Police car (siren)",
            "Fire engine, fire truck (siren)",
        ): 15,
        (
            "Siren",
            "Emergency vehicle",
            "Police car (siren)",
            "Ambulance (siren)",
            "Fire engine, fire truck (siren)",
        ): 13,
    },
    "typing": {
        (
            "Typing",
            "Computer keyboard",
        ): 346,
        ("Typing",): 141,
    },
    "bell": {
        ("Bell",): 288,
    },
    "rain": {
        (
            "Rain",
            "Rain on surface",
        ): 184,
        ("Rain",): 173,
        (
            "Rain",
            "Thunder",
            "Thunderstorm",
        ): 142,
        (
            "Rain",
            "Rain on surface",
            "Thunder",
            "Thunderstorm",
        ): 93,
        ("Thunder",): 89,
        (
            "Rain",
            "Rain on surface",
            "Raindrop",
        ): 70,
        (
            "Thunder",
            "Thunderstorm",
        ): 37,
        (
            "Rain",
            "Raindrop",
        ): 32,
        (
            "Rain",
            "Rain on surface",
            "Raindrop",
            "Thunder",
            "Thunderstorm",
        ): 30,
        (
            "Rain",
            "Raindrop",
            "Thunder",
            "Thunderstorm",
        ): 22,
        (
            "Rain",
            "Thunder",
        ): 20,
        (
            "Rain",
            "Rain on surface",
            "Thunder",
        ): 6,
        (
            "Rain",
            "Rain on surface",
            "Thunderstorm",
        ): 6,
        (
            "Rain",
            "Thunderstorm",
        ): 5,
    },
    "vibration": {
        ("Vibration",): 365,
    },
}
