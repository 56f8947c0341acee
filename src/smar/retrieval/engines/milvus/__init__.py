"""Vectors of a catalogue in a Milvus cluster (extra `smar[milvus]`): one collection a generation.

`address` says where the cluster is, `schema` how items lie in it, `filling` puts them there and checks that they
arrived, `collection` searches, `indexes` is what a search engine sees.
"""
