"""Whether everything that the demo team has in Vertex AI is something that Google's API could say."""

import pytest
from google.protobuf import json_format

from emulators.google.vertex_catalog import COLLECTIONS
from tests.emulators.discovery import unknown_fields
from tests.emulators.world_builders import read_only_world


@pytest.mark.parametrize("key", sorted(COLLECTIONS))
def test_each_resource_has_only_fields_and_words_of_googles_document(shared_data, key):
    document = shared_data / "vertex/discovery/aiplatform.v1.json"
    resources = read_only_world().vertex.items(key)
    assert resources
    for name, resource in resources.items():
        shown = json_format.MessageToDict(type(resource).pb(resource))
        assert unknown_fields(document, f"GoogleCloudAiplatformV1{COLLECTIONS[key].message}", shown) == [], name


@pytest.mark.parametrize("key", sorted(COLLECTIONS))
def test_each_resource_is_kept_under_its_own_name(key):
    for name, resource in read_only_world().vertex.items(key).items():
        version = f"@{resource.version_id}" if key == "modelVersions" else ""
        assert name == resource.name.partition("@")[0] + version if version else name == resource.name
