// Every definition of the library, for the one source file of separate compilation.
//
// A program that is compiled with MINIVIT_SEPARATE_COMPILATION includes this in one source file and in no
// header: the other files then only read declarations. CMake's target minivit::compiled does both.
#pragma once

#if defined(MINIVIT_DEFINITIONS) && !MINIVIT_DEFINITIONS
#error "include minivit/source.hpp before any other header of minivit"
#endif
#define MINIVIT_SOURCE

#include "minivit/vit.hpp"

// Headers that vit.hpp leaves out and that need no further library.
#include "minivit/insight/answers.hpp"
#include "minivit/insight/attention_trace.hpp"
#include "minivit/insight/calibration.hpp"
#include "minivit/insight/comparison.hpp"
#include "minivit/insight/explain.hpp"
#include "minivit/insight/faithfulness.hpp"
#include "minivit/insight/scores.hpp"
#include "minivit/io/checkpoint.hpp"
#include "minivit/io/npy.hpp"
#include "minivit/io/pretrained.hpp"
#include "minivit/io/teacher.hpp"
#include "minivit/model/mimetic.hpp"
#include "minivit/model/resample.hpp"
#include "minivit/train/fine_tuning.hpp"
#include "minivit/train/knn.hpp"
#include "minivit/train/masked_autoencoder.hpp"
#include "minivit/train/probe.hpp"
