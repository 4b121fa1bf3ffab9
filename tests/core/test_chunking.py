import rankkit as rk
from rankkit.core.chunking import chunk_rows


def network(width):
    features = {name: rk.layers.IdEmbedding(["7", "42"], width) for name in ("user", "item")}
    return rk.models.factorization_machine(features)


def test_chunks_of_wide_networks_have_fewer_rows():
    narrow, wide, widest = (chunk_rows(network(width)) for width in (17, 1700, 2_000_000))
    assert narrow == 65_536
    # Two embeddings of 1700 numbers and little else, within 2**26 numbers.
    assert 2**26 // 4000 < wide < 2**26 // 3400
    assert widest == 1024
    assert chunk_rows(rk.RankingModel(network(1700), label="rating")) == wide
    assert chunk_rows(lambda columns: columns) == 16_384
