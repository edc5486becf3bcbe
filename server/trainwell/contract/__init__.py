"""The shared words: manifest, specs, prepared data, findings, errors. Imports nothing else of trainwell."""
