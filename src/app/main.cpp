// SPDX-License-Identifier: Apache-2.0
//
// The program. What it does is up to its first argument, see src/cli; `layby serve`
// is the daemon, whose parts src/app/appliance.cpp puts together.

#include "layby/cli/cli.h"

int main(int argc, char** argv) { return layby::cli::run(argc, argv); }
