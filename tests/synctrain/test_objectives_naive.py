"""Each objective against a double loop written from its definition, its gradients, and batches with nothing in them."""

from collections.abc import Callable, Iterator
from itertools import product
from math import exp, log, sqrt
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from synctrain.objectives import (
    Contrast,
    Hardest,
    Pairwise,
    Retriever,
    Triplet,
    aligned,
    all_pairs,
    nearest,
    outcome,
    right,
)
from synctrain.types import Embedded, Objective, Similarity

SIMILARITIES: tuple[Similarity, ...] = ("dot", "cos", "neg_l2")
SCOPES: tuple[Literal["own", "all"], ...] = ("own", "all")
FORMS: tuple[Literal["contrast", "triplet"], ...] = ("contrast", "triplet")
ALL: list[Objective] = [
    *(Triplet(similarity=each) for each in SIMILARITIES),
    *(Contrast(similarity=each, scope=scope) for each in SIMILARITIES for scope in SCOPES),
    Contrast(symmetric=True),
    *(Contrast(similarity=each, hard=0.5) for each in SIMILARITIES),
    *(Hardest(similarity=each) for each in SIMILARITIES),
    Hardest(chosen_by="dot"),
    *(Pairwise(similarity=each) for each in SIMILARITIES),
    *(Retriever(similarity=each, form=form) for each in SIMILARITIES for form in FORMS),
]


def batch(rows: int = 5, negatives: int = 8, dimension: int = 4, seed: int = 0) -> Embedded:
    """A batch whose rows 0 and 1 share an intent, with no negative for the last row."""
    generator = torch.Generator().manual_seed(seed)

    def vectors(count: int) -> Tensor:
        return torch.randn(count, dimension, generator=generator, requires_grad=True)

    same = torch.eye(rows, dtype=torch.bool)
    if rows > 1:
        same[0, 1] = same[1, 0] = True
    row = torch.randint(max(1, rows - 1), (negatives,), generator=generator)
    hard = torch.rand(negatives, generator=generator) < 0.5
    return Embedded(vectors(rows), vectors(rows), vectors(negatives), row, hard, same, vectors(rows))


def near(one: Tensor, other: Tensor, similarity: Similarity) -> float:
    a: list[float] = one.tolist()
    b: list[float] = other.tolist()
    dot = sum((x * y for x, y in zip(a, b, strict=True)), 0.0)
    if similarity == "dot":
        return dot
    if similarity == "cos":
        return dot / (sqrt(sum(x * x for x in a)) * sqrt(sum(y * y for y in b)))
    return -sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))


def negatives(embedded: Embedded) -> Iterator[tuple[int, Tensor, bool]]:
    yield from zip(embedded.row.tolist(), embedded.negative, embedded.hard.tolist(), strict=True)


def agree(value: Tensor, expected: float) -> None:
    assert value.ndim == 0
    assert value.item() == pytest.approx(expected, rel=1e-5)


def cross_entropy(right: float, wrong: list[float]) -> float:
    return log(sum(exp(one - right) for one in [right, *wrong]))


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_distances(similarity: Similarity) -> None:
    one, other = batch().query, batch().negative
    table = all_pairs(one, other, similarity)
    assert table.shape == (5, 8)
    for i, j in product(range(5), range(8)):
        agree(table[i, j], near(one[i], other[j], similarity))
    assert torch.allclose(aligned(one, other[:5], similarity), table.diagonal(), rtol=1e-5)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("margin", [0.0, 1.0, 0.3])
def test_triplet(similarity: Similarity, margin: float) -> None:
    embedded = batch()
    losses: dict[bool, list[float]] = {False: [], True: []}
    for row, vector, hard in negatives(embedded):
        query = embedded.query[row]
        gap = near(query, embedded.positive[row], similarity) - near(query, vector, similarity)
        losses[hard].append(max(0.0, margin - gap))
    loss = Triplet(margin, similarity)(embedded)
    agree(loss.value, sum(losses[False] + losses[True]) / 8)
    for name, kind in (("soft", False), ("hard", True)):
        agree(loss.parts[name], sum(losses[kind]) / len(losses[kind]))


def test_triplet_is_the_paper_s_formula_by_hand() -> None:
    """Query (0, 0), positive (3, 4), negative (0, 5.5): max(0, 5 - 5.5 + 1) = .5; negative (0, 7): 0. Mean .25."""
    embedded = Embedded(
        torch.zeros(1, 2),
        torch.tensor([[3.0, 4.0]]),
        torch.tensor([[0, 5.5], [0, 7]]),
        torch.tensor([0, 0]),
        torch.tensor([True, False]),
        torch.ones(1, 1, dtype=torch.bool),
    )
    loss = Triplet()(embedded)
    agree(loss.value, 0.25)
    agree(loss.parts["hard"], 0.5)
    agree(loss.parts["soft"], 0)


def test_triplet_is_torch_s_but_for_its_epsilon() -> None:
    embedded = batch(negatives=50)
    theirs = torch.nn.TripletMarginLoss(margin=1, p=2)(
        embedded.query[embedded.row], embedded.positive[embedded.row], embedded.negative
    )
    assert Triplet()(embedded).value.item() == pytest.approx(theirs.item(), rel=1e-5)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("scope", ["own", "all"])
@pytest.mark.parametrize("mask_same", [True, False])
@pytest.mark.parametrize("symmetric", [True, False])
def test_contrast(similarity: Similarity, scope: str, mask_same: bool, symmetric: bool) -> None:
    embedded, tau = batch(), 0.7
    code, query = [], []
    for i in range(5):
        right = near(embedded.query[i], embedded.positive[i], similarity) / tau
        rest = [j for j in range(5) if j != i and not (mask_same and embedded.same[i, j])]
        wrong = [near(embedded.query[i], embedded.positive[j], similarity) / tau for j in rest]
        query.append(
            cross_entropy(right, [near(embedded.query[j], embedded.positive[i], similarity) / tau for j in rest])
        )
        for row, vector, hard in negatives(embedded):
            if row == i or (scope == "all" and hard):
                wrong.append(near(embedded.query[i], vector, similarity) / tau)
        code.append(cross_entropy(right, wrong))
    loss = Contrast(tau, similarity, scope, mask_same, symmetric)(embedded)  # type: ignore[arg-type]
    agree(loss.parts["code"], sum(code) / 5)
    agree(loss.value, (sum(code) + sum(query)) / 10 if symmetric else sum(code) / 5)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_contrast_with_a_term_for_hard_negatives(similarity: Similarity) -> None:
    embedded = batch()
    terms = []
    for row, vector, hard in negatives(embedded):
        if hard:
            query = embedded.query[row]
            gap = near(query, embedded.positive[row], similarity) - near(query, vector, similarity)
            terms.append(cross_entropy(gap / 0.3, [0.0]))
    assert 1 < len(terms) < len(embedded.row)
    loss, without = (Contrast(0.7, similarity, hard=hard, hard_temperature=0.3)(embedded) for hard in (0.25, 0))
    agree(loss.parts["hard"], sum(terms) / len(terms))
    agree(loss.value, without.value.item() + sum(terms) / len(terms) / 4)
    assert "hard" not in without.parts


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("chosen_by", [None, *SIMILARITIES])
def test_hardest(similarity: Similarity, chosen_by: Similarity | None) -> None:
    embedded = batch(rows=9)
    losses = []
    for i in range(9):
        rest = [j for j in range(9) if not embedded.same[i, j]]
        j = max(rest, key=lambda j: near(embedded.query[i], embedded.positive[j], chosen_by or similarity))
        gap = near(embedded.query[i], embedded.positive[i], similarity)
        losses.append(max(0.0, 1 - gap + near(embedded.query[i], embedded.positive[j], similarity)))
    loss = Hardest(1.0, similarity, chosen_by)(embedded)
    agree(loss.value, sum(losses) / 9)
    agree(loss.parts["found"], 1)


def test_the_hardest_is_of_another_intent_and_changes_the_batch() -> None:
    """DNS as released gives the batch's own negatives back, and may choose the positive where all dots are negative."""
    query, positive = torch.tensor([[1.0, 0], [0, 1], [1, 1]]), torch.tensor([[-1.0, 0], [-1, 0], [-3, -3]])
    same = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    embedded = Embedded(query, positive, query[:0], torch.zeros(0, dtype=torch.long), torch.zeros(0).bool(), same)
    for similarity in SIMILARITIES:
        column, found = nearest(embedded, similarity)
        assert column.tolist() == [2, 2, 0]
        assert found.all()


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_pairwise(similarity: Similarity) -> None:
    embedded = batch()
    pairs = [(near(q, p, similarity), 1) for q, p in zip(embedded.query, embedded.positive, strict=True)]
    pairs += [(near(embedded.query[row], vector, similarity), 0) for row, vector, _ in negatives(embedded)]
    losses = [-label * log(1 / (1 + exp(-s))) - (1 - label) * log(1 - 1 / (1 + exp(-s))) for s, label in pairs]
    loss = Pairwise(similarity)(embedded)
    agree(loss.value, sum(losses) / 13)
    agree(loss.parts["positive"], sum(losses[:5]) / 5)
    agree(loss.parts["negative"], sum(losses[5:]) / 8)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("mask_same", [True, False])
@pytest.mark.parametrize("form", ["contrast", "triplet"])
def test_retriever(similarity: Similarity, mask_same: bool, form: str) -> None:
    embedded, tau = batch(), 0.5
    assert embedded.partner is not None

    def part(one: Tensor, other: Tensor) -> float:
        entropies, hinges = [], []
        for i in range(5):
            right = near(one[i], other[i], similarity)
            rest = [j for j in range(5) if j != i and not (mask_same and embedded.same[i, j])]
            wrong = [near(one[i], other[j], similarity) for j in rest]
            entropies.append(cross_entropy(right / tau, [each / tau for each in wrong]))
            hinges += [max(0.0, 1 - right + each) for each in wrong]
        return sum(entropies) / 5 if form == "contrast" else sum(hinges) / len(hinges)

    loss = Retriever(0.5, 2, form, similarity, tau, mask_same=mask_same)(embedded)  # type: ignore[arg-type]
    bimodal, unimodal = part(embedded.query, embedded.positive), part(embedded.positive, embedded.partner)
    agree(loss.parts["bimodal"], bimodal)
    agree(loss.parts["unimodal"], unimodal)
    agree(loss.value, 0.5 * bimodal + 2 * unimodal)


def test_retriever_has_a_mask_of_its_own_for_partners() -> None:
    """The unimodal part leaves out what ``same_partner`` says, the bimodal part what ``same`` does."""
    embedded = batch()
    count = len(embedded.query)
    more = embedded.same.clone()
    more[0, count - 1] = True
    assert not torch.equal(more, embedded.same)
    before, after = (Retriever()(one).parts for one in (embedded, embedded._replace(same_partner=more)))
    swapped = Retriever()(embedded._replace(same=more)).parts
    assert torch.equal(after["bimodal"], before["bimodal"])
    assert torch.equal(after["unimodal"], swapped["unimodal"])
    assert after["unimodal"] < before["unimodal"]
    unmasked = Retriever(mask_same=False)
    assert torch.equal(unmasked(embedded._replace(same_partner=more)).value, unmasked(embedded).value)


def test_retriever_needs_a_partner_for_the_unimodal_part_only() -> None:
    without = batch()._replace(partner=None)
    assert Retriever(unimodal=0)(without).parts.keys() == {"bimodal"}
    with pytest.raises(ValueError, match="needs a partner"):
        Retriever()(without)


def test_right_is_strict_and_takes_a_margin() -> None:
    """Distances 1 to the positive, 1, 1.5 and 3 to the negatives."""
    embedded = Embedded(
        torch.zeros(1, 1, requires_grad=True),
        torch.tensor([[1.0]]),
        torch.tensor([[-1.0], [1.5], [3.0]]),
        torch.tensor([0, 0, 0]),
        torch.tensor([True, True, False]),
        torch.ones(1, 1, dtype=torch.bool),
    )
    assert right(embedded, "neg_l2").tolist() == [False, True, True]
    correct = right(embedded, "neg_l2", margin=1.0)
    assert correct.tolist() == [False, False, True]
    assert not correct.requires_grad
    assert outcome(correct, embedded.hard).tolist() == [[1, 1], [0, 2]]
    assert outcome(correct[:0], embedded.hard[:0]).tolist() == [[0, 0], [0, 0]]


def leaves(embedded: Embedded) -> list[Tensor]:
    found = [embedded.query, embedded.positive, embedded.negative, embedded.partner]
    return [each for each in found if each is not None]


def gradients(objective: Objective, embedded: Embedded) -> list[Tensor]:
    """The gradients by each input, 0 where the objective does not look at it; the loss must be a function of one."""
    value = objective(embedded).value
    assert torch.isfinite(value)
    found = torch.autograd.grad(value, leaves(embedded), allow_unused=True)
    assert any(each is not None for each in found)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(leaves(embedded), found, strict=True)]


@pytest.mark.parametrize("objective", ALL, ids=repr)
def test_gradients_are_those_of_the_value(objective: Objective) -> None:
    embedded = batch()
    parts = [each.detach().double().requires_grad_() for each in leaves(embedded)]

    def value(query: Tensor, positive: Tensor, negative: Tensor, partner: Tensor) -> Tensor:
        return objective(embedded._replace(query=query, positive=positive, negative=negative, partner=partner)).value

    assert torch.autograd.gradcheck(value, parts, fast_mode=True)


@pytest.mark.parametrize("objective", ALL, ids=repr)
def test_coincident_and_zero_vectors_have_finite_gradients(objective: Objective) -> None:
    for one in (torch.ones(4, 3), torch.zeros(4, 3), torch.full((4, 3), 1e-30), torch.full((4, 3), 1e4)):
        vectors = [one.clone().requires_grad_() for _ in range(4)]
        query, positive, negative, partner = vectors
        row, hard, same = torch.arange(4), torch.tensor([True, False] * 2), torch.eye(4, dtype=torch.bool)
        embedded = Embedded(query, positive, negative, row, hard, same, partner)
        assert all(each.isfinite().all() for each in gradients(objective, embedded))


EMPTY: dict[str, Callable[[], Embedded]] = {
    "no negatives": lambda: batch(negatives=0),
    "one row": lambda: batch(rows=1),
    "one row, no negatives": lambda: batch(rows=1, negatives=0),
    "everything answers everything": lambda: batch()._replace(same=torch.ones(5, 5, dtype=torch.bool)),
}


@pytest.mark.parametrize("objective", ALL, ids=repr)
@pytest.mark.parametrize("name", EMPTY)
def test_batches_with_nothing_to_learn_keep_the_graph(objective: Objective, name: str) -> None:
    embedded = EMPTY[name]()
    assert all(each.isfinite().all() for each in gradients(objective, embedded))
    loss = objective(embedded)
    assert all(part.ndim == 0 and part.isfinite() and not part.requires_grad for part in loss.parts.values())
    nothing = {
        "no negatives": (Triplet,),
        "one row": (Hardest, Retriever),
        "one row, no negatives": (Triplet, Hardest, Contrast, Retriever),
        "everything answers everything": (Hardest, Retriever),
    }[name]
    if isinstance(objective, nothing):
        assert loss.value.item() == 0


@pytest.mark.parametrize("objective", ALL, ids=repr)
def test_half_precision_is_computed_in_single(objective: Objective) -> None:
    embedded = batch()
    single = [each.detach().bfloat16().float() for each in leaves(embedded)]
    names = ("query", "positive", "negative", "partner")
    exact = objective(embedded._replace(**dict(zip(names, single, strict=True))))
    with torch.autocast("cpu", torch.bfloat16):
        half = objective(embedded._replace(**{name: x.bfloat16() for name, x in zip(names, single, strict=True)}))
    assert half.value.dtype == torch.float32
    assert half.value.item() == exact.value.item()


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_near_points_are_told_apart(similarity: Similarity) -> None:
    """Distances of 1e-3 between vectors of length 300, where a matrix product would lose all digits."""
    one = torch.full((40, 9), 100.0)
    other = one + 1e-3 * torch.arange(40)[:, None]
    table = all_pairs(one, other, similarity)
    assert torch.allclose(table.diagonal(), aligned(one, other, similarity), rtol=1e-5)
    if similarity == "neg_l2":
        assert torch.allclose(table[0], -3e-3 * torch.arange(40), rtol=3e-2)


@pytest.mark.parametrize(
    ("objective", "options", "message"),
    [
        (Triplet, {"margin": -1}, "margin of -1"),
        (Triplet, {"margin": float("nan")}, "margin of nan"),
        (Triplet, {"similarity": "l2"}, "no similarity 'l2'; there are: dot, cos, neg_l2"),
        (Contrast, {"temperature": 0}, "temperature of 0"),
        (Contrast, {"scope": "both"}, "no scope 'both'"),
        (Contrast, {"hard": -1}, "hard = -1: a weight must not be negative"),
        (Contrast, {"hard": float("nan")}, "hard = nan"),
        (Contrast, {"hard_temperature": 0}, "temperature of 0"),
        (Contrast, {"similarity": "l1"}, "no similarity"),
        (Hardest, {"margin": -1}, "margin"),
        (Hardest, {"chosen_by": "l1"}, "no similarity"),
        (Pairwise, {"similarity": "l1"}, "no similarity"),
        (Retriever, {"bimodal": 0, "unimodal": 0}, "not both 0"),
        (Retriever, {"bimodal": -1}, "negative"),
        (Retriever, {"form": "quad"}, "no form 'quad'"),
        (Retriever, {"temperature": -1}, "temperature"),
    ],
)
def test_options_out_of_range(objective: Callable[..., Objective], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        objective(**options)
