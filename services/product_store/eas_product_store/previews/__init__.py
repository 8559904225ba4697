"""Previews of files: a program of its own, so that nobody else has to trust the files or to import the science.

Nothing but `protocol` is imported by services; they start ``python -m eas_product_store.previews.child``.
"""
