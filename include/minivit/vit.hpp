// Umbrella header of minivit: Vision Transformers in C++. One include trains, fine-tunes and predicts.
//
// In reading order, from memory to models. Left out, since few programs need them: io/pretrained.hpp (models
// of timm and transformers), io/export.hpp and io/onnx.hpp (writing for others), io/npy.hpp,
// io/checkpoint.hpp, io/tensorboard.hpp, train/fine_tuning.hpp, train/masked_autoencoder.hpp, train/probe.hpp
// and all of insight/.
#pragma once

#include "minivit/autograd/gradcheck.hpp"  // is my gradient right?
#include "minivit/autograd/tape.hpp"       // Var, NoGrad, Training, backward
#include "minivit/core/check.hpp"          // errors and how they are worded
#include "minivit/core/rng.hpp"            // random numbers keyed by (seed, epoch, sample)
#include "minivit/data/folder_splits.hpp"  // train, val and test in one folder
#include "minivit/data/image.hpp"          // decode and encode images
#include "minivit/data/image_folder.hpp"   // root/class/*.jpg, resized, augmented, normalized
#include "minivit/data/image_scan.hpp"     // which files cannot be images, before they are needed
#include "minivit/data/loader.hpp"         // batches, loaded in the background
#include "minivit/data/sampler.hpp"        // classes of different sizes, equally often
#include "minivit/train/loop.hpp"          // AdamW, SGD, schedule, EMA, train_epoch, evaluate
#include "minivit/io/model_folder.hpp"     // save_model, load_model, classify

#include "minivit/model/packed_vit.hpp"     // the same for prediction: immutable, for many threads
#include "minivit/model/summary.hpp"        // layers, shapes, parameters, multiply-adds
#include "minivit/model/training_view.hpp"  // trained on smaller images, larger patches, fewer of them
#include "minivit/model/vit.hpp"            // the Vision Transformer and its bricks: the nn folder
#include "minivit/nn/sequential.hpp"        // layers one after the other
#include "minivit/ops/arithmetic.hpp"       // + - * / with broadcasting
#include "minivit/ops/embedding.hpp"        // rows of a table
#include "minivit/ops/losses.hpp"           // cross_entropy, mse, binary_cross_entropy_with_logits
#include "minivit/ops/matmul.hpp"           // batched matrix product
#include "minivit/ops/rearrange.hpp"        // reshape, permute, slice_axis, concat
#include "minivit/ops/reductions.hpp"       // sum, mean, max
#include "minivit/ops/softmax.hpp"          // softmax, log_softmax
#include "minivit/ops/unary.hpp"            // exp, log, tanh, relu, …
#include "minivit/tensor/tensor.hpp"        // float32, contiguous, shared handle
