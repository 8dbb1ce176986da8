// All optimizers: the list that a new one joins.
#pragma once

#include "minivit/train/adamw.hpp"              // Adam with decoupled weight decay
#include "minivit/train/gradient_norm.hpp"      // clipping
#include "minivit/train/lamb.hpp"               // Adam with steps in proportion to the weights
#include "minivit/train/muon.hpp"               // orthogonal momentum
#include "minivit/train/optimizer_concept.hpp"  // what an optimizer is
#include "minivit/train/sgd.hpp"                // gradient descent with momentum
