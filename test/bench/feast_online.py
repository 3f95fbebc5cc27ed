#!/usr/bin/env python3
# feast_online.py VALUES ASKED PORT: what Feast takes to read features out of redis.
#
# VALUES is CSV: user_id and a JSON object of numbers.  ASKED has a JSON array of ids a
# line.  PORT is where redis listens.  Prints Feast's version, then milliseconds a call.
import csv, datetime, json, os, sys, tempfile, time
import pandas
import feast
from feast import Entity, FeatureStore, FeatureView, Field, FileSource
from feast.types import Float64

rows = [(r["user_id"], json.loads(r["features"])) for r in csv.DictReader(open(sys.argv[1]))]
asked = [json.loads(line) for line in open(sys.argv[2])]
names = sorted(rows[0][1])
now = datetime.datetime.now(datetime.timezone.utc)
frame = pandas.DataFrame([{"user_id": u, "event_timestamp": now, **{n: float(f[n]) for n in names}} for u, f in rows])
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "features.parquet")
    frame.to_parquet(path)
    with open(os.path.join(folder, "feature_store.yaml"), "w") as out:
        out.write("project: bench\nprovider: local\nregistry: registry.db\noffline_store: {type: file}\n"
                  f"online_store: {{type: redis, connection_string: '127.0.0.1:{sys.argv[3]}'}}\n"
                  "entity_key_serialization_version: 3\n")
    store = FeatureStore(repo_path=folder)
    user = Entity(name="user", join_keys=["user_id"], value_type=feast.ValueType.STRING)
    view = FeatureView(name="model", entities=[user], ttl=datetime.timedelta(days=60),
                       schema=[Field(name=n, dtype=Float64) for n in names],
                       source=FileSource(path=path, timestamp_field="event_timestamp"))
    store.apply([user, view])
    store.write_to_online_store("model", frame)
    features = ["model:" + n for n in names]
    print(feast.__version__)
    wanted = dict(rows)
    for i, users in enumerate(asked):
        began = time.perf_counter()
        answer = store.get_online_features(features=features, entity_rows=[{"user_id": u} for u in users])
        took = time.perf_counter() - began
        if i == 0:
            values = answer.to_dict()
            wrong = sum(values[n][j] != wanted[u][n] for n in names for j, u in enumerate(users))
            assert wrong == 0, f"{wrong} values are not those that were stored"
        else:
            print(took * 1000)
