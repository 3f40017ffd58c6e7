"""The servers that are measured, ours first."""

from __future__ import annotations

from peers.base import Peer
from peers.bentoml.launch import PEER as BENTOML
from peers.fastapi.launch import PEER as FASTAPI
from peers.fastapi_insert.launch import PEER as FASTAPI_INSERT
from peers.litserve.launch import PEER as LITSERVE
from peers.mlflow.launch import PEER as MLFLOW
from peers.mlpipes.launch import PEER as MLPIPES
from peers.mlserver.launch import PEER as MLSERVER

PEERS: dict[str, Peer] = {
    peer.name: peer for peer in (MLPIPES, MLFLOW, MLSERVER, BENTOML, LITSERVE, FASTAPI, FASTAPI_INSERT)
}
