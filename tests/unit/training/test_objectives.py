"""The losses against answers worked out by hand."""

from __future__ import annotations

import math

import torch

from smar.training.objectives import contrastive_loss, expected_loss, weighted_mean


def test_the_contrastive_loss_is_the_softmax_of_the_clicked_item() -> None:
    queries = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    items = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    losses = contrastive_loss(queries, items, torch.tensor([0, 1]), torch.eye(2).bool(), torch.tensor(2.0))
    by_hand = -math.log(math.exp(2) / (math.exp(2) + math.exp(0)))
    torch.testing.assert_close(losses, torch.tensor([by_hand, by_hand]))


def test_another_item_that_the_query_clicked_is_no_negative() -> None:
    queries = torch.tensor([[1.0, 0.0]])
    items = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    known = torch.tensor([[True, True, False]])
    loss = contrastive_loss(queries, items, torch.tensor([0]), known, torch.tensor(1.0))
    by_hand = -math.log(math.e / (math.e + 1))
    torch.testing.assert_close(loss, torch.tensor([by_hand]))


def test_a_masked_item_gets_no_gradient() -> None:
    items = torch.randn(3, 4, requires_grad=True)
    known = torch.tensor([[True, True, False]])
    contrastive_loss(torch.randn(1, 4), items, torch.tensor([0]), known, torch.tensor(1.0)).sum().backward()
    assert items.grad is not None
    assert items.grad[1].abs().sum() == 0
    assert items.grad[2].abs().sum() > 0


def test_the_expected_loss_weighs_both_sides_by_the_gate() -> None:
    text, multimodal = torch.tensor([1.0, 1.0]), torch.tensor([3.0, 3.0])
    losses = expected_loss(torch.tensor([0.0, math.log(3)]), text, multimodal)
    torch.testing.assert_close(losses, torch.tensor([2.0, 2.5]))


def test_a_weighted_mean_of_nothing_is_zero() -> None:
    assert weighted_mean(torch.zeros(0), torch.zeros(0)) == 0
    torch.testing.assert_close(
        weighted_mean(torch.tensor([1.0, 4.0]), torch.tensor([3.0, 1.0])), torch.tensor(1.75)
    )
