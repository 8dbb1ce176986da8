// Configuration files of timm and transformers, read.
#pragma once

#include "minivit/io/pretrained_hints.hpp"
#include "minivit/io/timm_hints.hpp"
#include "minivit/io/transformers_config.hpp"
#include "minivit/io/transformers_processor.hpp"
