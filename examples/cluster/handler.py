"""A Lambda function that plans, carries out pieces, commits, and says why a job failed: one step for each call.

It needs the wheel forecast-export beside it, and nothing else. The state machine in this folder calls it.
"""

import os

import forecast_export as fe


def handler(event, context):
    return {"plan": plan, "piece": piece, "commit": commit, "why": why}[event["action"]](event)


def plan(event):
    # Where plans lie; two jobs for one output have the same plan or are refused.
    made = fe.cluster.plan(
        event["source"], event["output"], piece_bytes=event.get("piece_bytes", "256MB"), **event.get("options", {})
    )
    place = f"{os.environ['PLANS'].rstrip('/')}/{made.id}.json"
    made.write(place)
    return {"plan": place, "pieces": list(fe.cluster.status(made).missing)}


def piece(event):
    # StoreError may go away, and the state machine tries again; every other exception ends the job.
    done = fe.cluster.piece(fe.cluster.ClusterPlan.read(event["plan"]), event["index"])
    return {"index": done.index, "rows": done.rows}


def commit(event):
    report = fe.cluster.commit(fe.cluster.ClusterPlan.read(event["plan"]))
    return {"rows": report.rows, "outputs": [file.file for file in report.outputs]}


def why(event):
    failed = fe.cluster.status(fe.cluster.ClusterPlan.read(event["plan"])).failed
    first = failed[0].error if failed else {"kind": "store", "code": 8, "message": "a piece was not carried out in time"}
    return {"error": f"exit code {first['code']}: {first['kind']}", "cause": first["message"]}
