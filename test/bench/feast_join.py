#!/usr/bin/env python3
# feast_join.py FEATURES SPINE: seconds that Feast takes to join a spine with values computed beforehand.
#
# FEATURES and SPINE are CSV files: user_id, event_timestamp, and in the first a value for
# each feature at each event.
import datetime, os, sys, tempfile, time
import pandas
import feast
from feast import Entity, FeatureStore, FeatureView, Field, FileSource
from feast.types import Float64

features = pandas.read_csv(sys.argv[1], parse_dates=["event_timestamp"])
spine = pandas.read_csv(sys.argv[2], parse_dates=["event_timestamp"])
names = [c for c in features.columns if c not in ("user_id", "event_timestamp")]
features[names] = features[names].astype("float64")
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "features.parquet")
    features.to_parquet(path)
    with open(os.path.join(folder, "feature_store.yaml"), "w") as out:
        out.write("project: bench\nprovider: local\nregistry: registry.db\noffline_store: {type: file}\nentity_key_serialization_version: 3\n")
    store = FeatureStore(repo_path=folder)
    user = Entity(name="user", join_keys=["user_id"], value_type=feast.ValueType.STRING)
    view = FeatureView(name="model", entities=[user], ttl=datetime.timedelta(days=60),
                       schema=[Field(name=n, dtype=Float64) for n in names],
                       source=FileSource(path=path, timestamp_field="event_timestamp"))
    store.apply([user, view])
    began = time.time()
    rows = store.get_historical_features(entity_df=spine, features=["model:" + n for n in names]).to_df()
    print(f"{time.time() - began:.1f} {len(rows)} feast {feast.__version__}")
