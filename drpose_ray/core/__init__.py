"""What every stage uses: settings, runs, files, errors, tracking, Ray. Nothing here knows of people or diffusion."""
