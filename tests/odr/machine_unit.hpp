// Functions of the two units of `machines.cpp`.
#pragma once

namespace machine_a {
const char* instruction_set();
int lanes();
double classify(int image);  // the logits of a model of fixed weights, as one number
}  // namespace machine_a

namespace machine_b {
const char* instruction_set();
int lanes();
double classify(int image);
}  // namespace machine_b
